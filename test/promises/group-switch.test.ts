/** `millrace switch --wait` over workers that are processes of their own, and die, come and cannot. */
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { ModelEvent, Prediction } from '../../pipeline/messages.js'
import { type Finished, type Running, startMillrace } from '../fixtures/cli.js'
import { createDeployment } from '../fixtures/deployment.js'
import { testKafka } from '../fixtures/kafka.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'

/** A deployment whose workers and clients are started from the command line. */
const createProcesses = async () => {
  const deployment = await createDeployment({ partitions: 3 })
  const directory = await temporaryDirectory()
  const { events } = deployment

  const storeOf = async (id: string, models: readonly string[]) => {
    const store = join(directory, id)
    await mkdir(store, { recursive: true })
    for (const model of models) await copyFile(`models/bundles/${model}.tar.gz`, join(store, `${model}.tar.gz`))
    return store
  }
  /** Resolves when the worker says it, after the first `since` events. */
  const said = (type: string, worker: string, since = 0) =>
    events.until((all) => all.slice(since).some((one) => one.type === type && one.worker === worker))

  /** Resolves when it is in the group; one of that name may have been there before. */
  const worker = async (id: string, models: readonly string[]): Promise<Running> => {
    const since = events.items.length
    const config = join(directory, `${id}.json`)
    const bundles = { directory: await storeOf(id, models) }
    await writeFile(config, JSON.stringify({ ...deployment.settings, bundles, drainTimeoutMs: 3_000 }))
    const running = startMillrace(['run', '--config', config, '--id', id])
    await Promise.race([
      said('joined', id, since),
      running.finished.then(({ stderr }) => Promise.reject(new Error(`${id} ended: ${stderr}`))),
    ])
    return running
  }
  /** A member of the group that answers nothing, until it leaves. */
  const silentMember = async () => {
    const consumer = testKafka({ clientId: 'silent' }).consumer({ groupId: deployment.name })
    await consumer.connect()
    onTestFinished(() => consumer.disconnect())
    await consumer.subscribe({ topic: deployment.topics.input })
    const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve))
    await consumer.run({ autoCommit: false, eachBatch: async () => undefined })
    await joined
    return { leave: () => consumer.disconnect() }
  }
  const client = (...args: string[]): Running => startMillrace([...args, '--deployment', deployment.name])
  const activated = () =>
    events.items.filter(({ type }) => type === 'activated').map(({ worker, model }) => `${worker} ${model}`)
  return { deployment, events, worker, silentMember, client, said, activated }
}

const answer = ({ stdout, stderr }: Finished) => {
  try {
    return JSON.parse(stdout)
  } catch {
    throw new Error(`no answer: ${stdout}${stderr}`)
  }
}

const isSwitched = ({ type, worker, model }: ModelEvent, id: string) =>
  type === 'activated' && worker === id && model === 'digits@2'

/** However often a record was scored, it was by one generation. */
const expectOneGenerationEach = (predictions: readonly Prediction[]) => {
  const generations = new Map<string, number>()
  for (const { partition, offset, generation } of predictions) {
    const key = `${partition}/${offset}`
    expect([key, generation]).toEqual([key, generations.get(key) ?? generation])
    generations.set(key, generation)
  }
}

const models = ['digits@1', 'digits@2', 'digits@3']

test('all workers switch or none, whoever dies, comes or gives up in the middle', async () => {
  const { deployment, events, worker, silentMember, client, said, activated } = await createProcesses()
  const [one, two, three] = await Promise.all([
    worker('one', models),
    worker('two', models),
    worker('three', ['digits@1', 'digits@2']),
  ])
  await deployment.sendDigits(20)

  // All of them.
  const all = await client('switch', 'digits@2', '--wait', '--json').finished
  expect([all.code, answer(all)]).toMatchObject([0, { ok: true, outcome: 'activated', generation: 2 }])
  expect(answer(all).workers.map(({ id, state }: { id: string; state: string }) => `${id} ${state}`)).toEqual([
    'one activated',
    'three activated',
    'two activated',
  ])

  // One of them has no such bundle: nobody.
  const refused = await client('switch', 'digits@3', '--wait').finished
  expect(refused.code).toBe(1)
  expect(refused.stdout).toMatch(/nobody switched: .*three: no such bundle in the store: digits@3/)
  expect(activated().filter((line) => line.endsWith('digits@3'))).toEqual([])

  // The client dies when it has asked: nothing changes, and whoever is next is told.
  const silent = await silentMember()
  const asked = events.items.length
  const dying = client('switch', 'digits@1', '--wait')
  await Promise.all(['one', 'two', 'three'].map((id) => said('prepared', id, asked)))
  dying.child.kill('SIGKILL')
  const told = await client('switch', 'digits@3', '--wait').finished
  expect([told.code, told.stderr]).toEqual([1, expect.stringContaining('another switch is being prepared: digits@1')])
  const ended = await client('switch', '--abort').finished
  expect([ended.code, ended.stdout]).toEqual([0, 'digits@1 is aborted\n'])
  await said('aborted', 'one')

  // One dies before it has answered, one afterwards, and one comes: who is left switches.
  const before = events.items.length
  three.child.kill('SIGKILL')
  const last = client('switch', 'digits@1', '--wait', '--json')
  await Promise.all([said('prepared', 'one', before), said('prepared', 'two', before)])
  two.child.kill('SIGKILL')
  const four = await worker('four', models)
  await silent.leave()
  const survived = await last.finished
  expect([survived.code, answer(survived)]).toMatchObject([0, { ok: true, outcome: 'activated', generation: 3 }])
  for (const id of ['one', 'four'])
    expect(events.items.findLast((one) => one.worker === id && one.type === 'activated')).toMatchObject({
      model: 'digits@1',
      generation: 3,
    })

  // Who comes afterwards has the model before it takes a record.
  const five = await worker('five', models)
  const ofFive = events.items.filter(({ worker }) => worker === 'five').map(({ type, model }) => `${type} ${model}`)
  expect(ofFive.indexOf('activated digits@1')).toBeLessThan(ofFive.indexOf('joined null'))

  // Back again, by name.
  const back = await client('rollback', '--wait', '--json').finished
  expect([back.code, answer(back)]).toMatchObject([0, { ok: true, model: 'digits@2', generation: 4 }])

  await deployment.sendDigits(20)
  await deployment.answered()
  expect(deployment.account().missing).toEqual([])
  expectOneGenerationEach(deployment.predictions.items)
  await Promise.all([one, four, five].map((running) => running.interrupt()))
}, 180_000)

test('a worker that comes when the others have answered switches with them, and one that dies at the COMMIT when it is back', async () => {
  const { deployment, events, worker, silentMember, client, said } = await createProcesses()
  const [one, two] = await Promise.all([worker('one', models), worker('two', models)])
  await deployment.sendDigits(20)
  await deployment.answered()

  // Both have answered, and nothing is committed as long as one member is silent.
  const silent = await silentMember()
  const switching = client('switch', 'digits@2', '--wait', '--json')
  await Promise.all([said('prepared', 'one'), said('prepared', 'two')])
  const three = await worker('three', models)
  await said('prepared', 'three')

  // It stands still when the COMMIT comes, and dies before it has read it.
  two.child.kill('SIGSTOP')
  await silent.leave()
  await events.until((all) => ['one', 'three'].every((id) => all.some((event) => isSwitched(event, id))))
  two.child.kill('SIGKILL')
  const { code, ...rest } = await switching.finished
  expect([code, answer({ code, ...rest })]).toMatchObject([0, { ok: true, outcome: 'activated', generation: 2 }])

  await deployment.sendDigits(20)
  await deployment.answered()
  expect(deployment.account().missing).toEqual([])
  expectOneGenerationEach(deployment.predictions.items)
  const after = deployment.predictions.items.filter(({ offset }) => offset >= 20)
  expect(new Set(after.map(({ generation, model }) => `${generation} ${model}`))).toEqual(new Set(['2 digits@2']))

  const before = events.items.length
  const again = await worker('two', models)
  const ofTwo = events.items.slice(before).filter(({ worker }) => worker === 'two')
  expect(ofTwo.map(({ type, model }) => `${type} ${model}`)).toEqual(
    expect.arrayContaining(['activated digits@2', 'joined null']),
  )
  await Promise.all([one, three, again].map((running) => running.interrupt()))
}, 120_000)
