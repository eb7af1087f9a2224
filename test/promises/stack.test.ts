import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { findRunningStack, type Stack, startStack } from '../../docker/stack.js'
import { createTopics } from '../../pipeline/kafka/admin.js'
import { createKafka } from '../../pipeline/kafka/client.js'
import { runs, stackCache, temporaryDirectory } from '../fixtures/stack-programs.js'

const kafkaOf = (brokers: string) => createKafka({ brokers: [brokers], clientId: 'test' })
const topic = 'remembered'
const values = ['one', 'two', 'three']

interface Addresses {
  brokers: string
  registry: string
}

/** A topic with records, a group that has read two of them, and a schema. */
async function fill({ brokers, registry }: Addresses): Promise<void> {
  const admin = kafkaOf(brokers).admin()
  const producer = kafkaOf(brokers).producer()
  await Promise.all([admin.connect(), producer.connect()])
  await createTopics(kafkaOf(brokers), [{ topic, partitions: 2, replicationFactor: -1, config: {} }])
  await producer.send({ topic, messages: values.map((value) => ({ value, partition: 1 })) })
  // A broker that has just started takes a moment until it knows who coordinates a group.
  const commit = () => admin.setOffsets({ groupId: 'readers', topic, partitions: [{ partition: 1, offset: '2' }] })
  await vi.waitFor(commit, { timeout: 60_000, interval: 100 })
  const response = await fetch(`${registry}/subjects/${topic}-value/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schema: '"string"' }),
  })
  expect(await response.json()).toEqual({ id: 1 })
  await Promise.all([admin.disconnect(), producer.disconnect()])
}

/** What the stack remembers of all that. */
async function content({ brokers, registry }: Addresses) {
  const admin = kafkaOf(brokers).admin()
  await admin.connect()
  try {
    const topics = (await admin.listTopics()).filter((name) => !name.startsWith('__'))
    const { clusterId } = await admin.describeCluster()
    const records = topics.includes(topic) ? await admin.fetchTopicOffsets(topic) : []
    const [group] = topics.includes(topic) ? await admin.fetchOffsets({ groupId: 'readers', topics: [topic] }) : []
    const subjects = await (await fetch(`${registry}/subjects`)).json()
    const schema = (await (await fetch(`${registry}/schemas/ids/1`)).json()) as { schema?: string }
    return {
      clusterId,
      topics,
      ends: Object.fromEntries(records.map(({ partition, high }) => [partition, high])),
      committed: group?.partitions.find(({ partition }) => partition === 1)?.offset,
      subjects,
      schema: schema.schema,
    }
  } finally {
    await admin.disconnect()
  }
}

const filled = {
  topics: [topic],
  ends: { 0: '0', 1: '3' },
  committed: '2',
  subjects: [`${topic}-value`],
  schema: '"string"',
}

describe('a stack with data in it, whose parent was killed', () => {
  let dataDirectory: string
  let clusterId: string
  let before: Addresses & { pids: Stack['pids'] }
  let parent: ChildProcess | undefined
  let stack: Stack
  let removeDirectory = async () => {}
  const progress: string[] = []

  beforeAll(async () => {
    // A name that needs care in a Java properties file, in a class path, in a URL and in the C locale.
    const directory = await temporaryDirectory((remove) => {
      removeDirectory = remove
    })
    dataDirectory = join(directory, 'dätä, of; mine')
    const started = spawn(process.execPath, ['test/fixtures/stack-parent.mjs', stackCache, dataDirectory], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
    })
    parent = started
    const lines = createInterface({ input: started.stdout })[Symbol.asyncIterator]()
    before = JSON.parse((await lines.next()).value as string)
    expect(await findRunningStack(dataDirectory)).toEqual({ brokers: before.brokers, registry: before.registry })
    await fill(before)
    clusterId = (await content(before)).clusterId
    started.kill('SIGKILL')
    await once(started, 'exit')
    // At once, while the programs of the killed one are still on their way out.
    const port = Number(before.brokers.split(':')[1])
    stack = await startStack({
      cacheDirectory: stackCache,
      dataDirectory,
      kafkaPort: port,
      onProgress: (line) => progress.push(line),
    })
  })
  afterAll(async () => {
    parent?.kill('SIGKILL')
    await stack?.stop()
    await removeDirectory()
  })

  test('leaves no program alive', async () => {
    expect(await runs(before.pids.kafka)).toBe(false)
    expect(await runs(before.pids.registry)).toBe(false)
  })

  test('leaves a lock that the next start sees through, and has kept topics, records, offsets and schemas', async () => {
    // The broker reads its groups back after it has begun to answer, and until then does not tell their offsets.
    await expect.poll(() => content(stack)).toEqual({ ...filled, clusterId })
  })

  test('starts again on the port it is told to use', () => {
    expect(stack.brokers).toBe(before.brokers)
  })

  test('creates no topic because somebody asked for it', async () => {
    const producer = kafkaOf(stack.brokers).producer({ retry: { retries: 0 } })
    await producer.connect()
    await expect(producer.send({ topic: 'misspelt', messages: [{ value: 'x' }] })).rejects.toThrow()
    await producer.disconnect()
    expect((await content(stack)).topics).toEqual([topic])
  })

  test('is found while it runs', async () => {
    expect(await findRunningStack(dataDirectory)).toEqual({ brokers: stack.brokers, registry: stack.registry })
  })

  test('refuses a second start on the same folder, and says which process has it', async () => {
    await expect(startStack({ cacheDirectory: stackCache, dataDirectory })).rejects.toMatchObject({
      code: 'stack-running',
      detail: `process ${process.pid} uses ${dataDirectory}`,
    })
  })

  test('refuses a port in use in one line and leaves nothing running', async () => {
    const other = await temporaryDirectory()
    const kafkaPort = Number(stack.brokers.split(':')[1])
    await expect(startStack({ cacheDirectory: stackCache, dataDirectory: other, kafkaPort })).rejects.toMatchObject({
      code: 'port-taken',
      detail: stack.brokers,
    })
    expect(await findRunningStack(other)).toBeUndefined()
  })

  test('tells when a program dies, with its log, and is not found any more', async () => {
    process.kill(stack.pids.registry, 'SIGKILL')
    expect(await stack.exited).toMatchObject({
      name: 'registry',
      code: 137,
      logFile: join(dataDirectory, 'registry.log'),
    })
    expect(await findRunningStack(dataDirectory)).toBeUndefined()
  })

  test('stops both programs, twice if need be, and is not found any more', async () => {
    await Promise.all([stack.stop(), stack.stop()])
    expect(await runs(stack.pids.kafka)).toBe(false)
    expect(await findRunningStack(dataDirectory)).toBeUndefined()
  })

  test('begins with nothing when a fresh one is asked for, and leaves what else is in the folder', async () => {
    await writeFile(join(dataDirectory, 'mine.txt'), 'mine')
    stack = await startStack({ cacheDirectory: stackCache, dataDirectory, fresh: true })
    const now = await content(stack)
    expect(now).toMatchObject({ topics: [], subjects: [] })
    expect(now.clusterId).not.toBe(clusterId)
    expect(await readFile(join(dataDirectory, 'mine.txt'), 'utf8')).toBe('mine')
  })
})

test('a broker that cannot start is told with its last words, and nothing stays behind', async () => {
  const dataDirectory = await temporaryDirectory()
  await mkdir(join(dataDirectory, 'kafka'))
  await writeFile(join(dataDirectory, 'kafka', 'meta.properties'), 'version=1\nnode.id=7\ncluster.id=other\n')
  await expect(startStack({ cacheDirectory: stackCache, dataDirectory })).rejects.toMatchObject({
    code: 'stack-failed',
    detail: expect.stringMatching(/kafka ended with code 1: .*node.*\(.*kafka\.log\)/),
  })
  expect((await readdir(dataDirectory)).filter((name) => /^stack\./.test(name))).toEqual([])
})
