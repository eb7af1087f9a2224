/**
 * A client: it sends features and reads what the models say of them. Which workers score them, and where they run, it need not know.
 *
 *   node dist/test/examples/3-client.js        with MILLRACE_BROKERS, MILLRACE_REGISTRY and MILLRACE_DEPLOYMENT, and a worker (`millrace run`)
 */
import { createReadStream, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { createClient, MillraceError } from 'millrace'

const client = createClient({
  deployment: process.env.MILLRACE_DEPLOYMENT!,
  brokers: process.env.MILLRACE_BROKERS!.split(','),
  registry: process.env.MILLRACE_REGISTRY!,
})

/** Records may come from anything that can be looped over: they are read no faster than the broker takes them. */
async function* scans() {
  for await (const line of createInterface({ input: createReadStream('models/data/digits.jsonl') }))
    yield JSON.parse(line)
}

const { records, topic } = await client.produce(scans(), {
  schema: JSON.parse(readFileSync('models/data/digits.avsc', 'utf8')),
  key: 'id',
})
console.log(`${records} scans are in ${topic}`)

// A prediction comes on the partition of its input, in the order of its input, and names its place there.
const labels = new Map<string, number>()
let seen = 0
for await (const { label } of client.predictions({ from: 'beginning' })) {
  labels.set(label!, (labels.get(label!) ?? 0) + 1)
  if (++seen === records) break
}
console.log(Object.fromEntries([...labels].sort()))

const { model, workers, lag } = await client.status()
console.log(`${model?.model} in generation ${model?.generation}, ${workers.length} worker, ${lag} records behind`)

// What went wrong says what to do.
try {
  await client.produce([{ id: 'scan-1', pixels: 'not an array' }])
} catch (error) {
  if (!(error instanceof MillraceError)) throw error
  console.log(`${error.code}: ${error.message}. ${error.remedy}.`)
}
await client.close()
