/**
 * A worker inside a program, and a switch of its model while records flow.
 *
 *   node dist/test/examples/2-embedded-worker.js        with MILLRACE_BROKERS, MILLRACE_REGISTRY and MILLRACE_DEPLOYMENT
 */
import { readFileSync } from 'node:fs'
import { createClient, createPipeline, type ModelEvent } from 'millrace'

const deployment = {
  deployment: process.env.MILLRACE_DEPLOYMENT!,
  brokers: process.env.MILLRACE_BROKERS!.split(','),
  registry: process.env.MILLRACE_REGISTRY!,
}
const scans = readFileSync('models/data/digits.jsonl', 'utf8').trim().split('\n')
const schema = JSON.parse(readFileSync('models/data/digits.avsc', 'utf8'))

const client = createClient(deployment)
await client.createTopics({ partitions: 2 })

// Everything that a configuration file can say can be said here; the editor knows the names. The log goes nowhere unless `onLog` takes it.
const pipeline = createPipeline({ ...deployment, model: 'digits@1', batch: { maxDelayMs: 5 } })
pipeline.events.subscribe(({ type, model, reason }: ModelEvent) => console.log(type, model ?? '', reason ?? ''))
await pipeline.start()

/** Sends some of the scans, one after the other, and waits until the worker has answered them. */
const score = async (from: number, to: number) => {
  const before = pipeline.status()!.pipe.predictions
  await client.produce(
    scans.slice(from, to).map((line) => JSON.parse(line)),
    { schema, key: 'id' },
  )
  while (pipeline.status()!.pipe.predictions < before + to - from) await new Promise((wake) => setTimeout(wake, 50))
}

await score(0, 200)
// All workers of the deployment or none: with one worker in the group, this one.
const { generation } = await client.switchTo('digits@2', { wait: true })
console.log(`generation ${generation} scores`)
await score(200, 400)

// The predictions say which model made them.
const made = new Map<string, number>()
for await (const { model } of client.predictions({ from: 'beginning', follow: false }))
  made.set(model, (made.get(model) ?? 0) + 1)
console.log(Object.fromEntries(made))

await client.close()
await pipeline.stop()
