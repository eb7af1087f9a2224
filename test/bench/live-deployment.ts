/** A deployment of the suite's own with the usual worker on it: `millrace run` in a process, records at a steady rate. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { topicNames } from '../../pipeline/config.js'
import { createTopics, withAdmin } from '../../pipeline/kafka/admin.js'
import { createLogWriter } from '../../pipeline/kafka/log-writer.js'
import { createPublisher } from '../../pipeline/kafka/publisher.js'
import { planTopics } from '../../pipeline/kafka/topic-plan.js'
import { initBundle } from '../../pipeline/model/init.js'
import { createScorer } from '../../pipeline/model/scorer.js'
import { end, isAlive, untilWritten } from './application.js'
import { registerRows, rowValues } from './feature-rows.js'
import { perceptron, workloads } from './models.js'
import type { Place } from './suite.js'

export interface LiveDeployment {
  readonly predictions: string
  /** A worker with `bench@1`; ended with the deployment. */
  startWorker(): ChildProcess
  /** Sends records, in turn to all partitions, at that rate for so long. */
  stream(perSecond: number, seconds: number): Promise<void>
  switchTo(model: string): Promise<void>
  /** Resolves when there are as many predictions as records were sent; throws when a worker ends before. */
  allPredicted(): Promise<void>
}

const partitions = 8
const program = resolve('dist/pipeline/cli/main.js')

/** With bundles `bench@1` … `bench@3`, and predictions that carry the broker's time. */
export const withDeployment = async <T>(
  { kafka, brokers, registry }: Place,
  work: (deployment: LiveDeployment) => Promise<T>,
): Promise<T> => {
  const name = `bench-${Date.now()}`
  const topics = topicNames(name)
  const plan = planTopics(topics, { partitions }).map((one) =>
    one.topic === topics.predictions
      ? { ...one, config: { ...one.config, 'message.timestamp.type': 'LogAppendTime' } }
      : one,
  )
  await createTopics(kafka, plan)
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bundles-'))
  await makeBundles(directory)
  const values = rowValues(await registerRows(registry, topics.input), workloads.w1.features)
  const publisher = createPublisher({ kafka, topics: { predictions: topics.input } })
  await publisher.connect()
  const control = createLogWriter(kafka, topics.control)
  const children: ChildProcess[] = []
  let sent = 0
  const recordAt = (index: number, partition: number) => ({
    kind: 'predictions' as const,
    partition,
    records: [
      {
        key: Buffer.from(`k${index}`),
        value: values[index % values.length]!,
        headers: undefined,
        timestamp: Date.now(),
      },
    ],
  })
  try {
    return await work({
      predictions: topics.predictions,
      startWorker() {
        const places = ['--brokers', brokers, '--registry', registry, '--deployment', name]
        const child = spawn(
          process.execPath,
          [
            program,
            'run',
            ...places,
            '--model',
            'bench@1',
            '--bundles',
            directory,
            '--port',
            '0',
            '--log-level',
            'error',
          ],
          { stdio: ['ignore', 'ignore', 'inherit'] },
        )
        children.push(child)
        return child
      },
      async stream(perSecond, seconds) {
        const flying: Promise<void>[] = []
        const [began, before] = [performance.now(), sent]
        for (let now = began; now - began < seconds * 1_000; now = performance.now()) {
          const due = before + Math.floor(((now - began) * perSecond) / 1_000)
          const outgoing = Array.from({ length: due - sent }, () => recordAt(sent, sent++ % partitions))
          if (outgoing.length > 0) flying.push(publisher.publish(outgoing))
          await sleep(2)
        }
        await Promise.all(flying)
      },
      switchTo: async (model) => {
        await control.append(name, Buffer.from(JSON.stringify({ action: 'SWITCH', model })))
      },
      allPredicted: () => untilWritten(kafka, topics.predictions, sent, children.filter(isAlive)),
    })
  } finally {
    await Promise.all(children.map(end))
    for (const child of children) child.kill('SIGKILL')
    await Promise.all([publisher.close(), control.close()])
    await rm(directory, { recursive: true, force: true })
    await withAdmin(kafka, (admin) => admin.deleteTopics({ topics: Object.values(topics) }))
  }
}

const makeBundles = async (directory: string): Promise<void> => {
  const labels = ['class-0', 'class-1']
  const model = join(directory, 'model')
  await writeFile(model, perceptron(workloads.w1.layers))
  for (const version of ['1', '2', '3']) {
    const out = join(directory, `bench@${version}`)
    await initBundle({
      model,
      out,
      name: 'bench',
      version,
      record: 'bench.FeatureRow',
      labels,
      scorerFor: createScorer,
    })
  }
  await rm(model)
}
