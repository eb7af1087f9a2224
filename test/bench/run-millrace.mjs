// One worker on topics that are given, with a bundle made of a bare ONNX file: see run-millrace.sh.
import { mkdtempSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../../dist/pipeline/config-load.js'
import { createTopics } from '../../dist/pipeline/kafka/admin.js'
import { createKafka } from '../../dist/pipeline/kafka/client.js'
import { planTopics } from '../../dist/pipeline/kafka/topic-plan.js'
import { createLogger } from '../../dist/pipeline/logging.js'
import { initBundle } from '../../dist/pipeline/model/init.js'
import { createScorer } from '../../dist/pipeline/model/scorer.js'
import { startWorker } from '../../dist/pipeline/start.js'
import { letHeapGrow } from '../../dist/pipeline/heap-growth.js'

const { BROKERS = '127.0.0.1:9092', REGISTRY, PARTITIONS = '8', IN, OUT, GROUP, MODEL, CLASSES = '2', EOS = '0', SET = '', LOG = 'error' } = process.env
for (const [name, value] of Object.entries({ IN, OUT, GROUP, MODEL }))
  if (!value) throw new Error(`${name} is not set: see test/bench/run-millrace.sh`)

// As `millrace run` does.
letHeapGrow()

const directory = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
const labels = Array.from({ length: Number(CLASSES) }, (_, index) => `class-${index}`)
const about = { name: 'bench', version: '1', record: 'bench.FeatureRow', labels, scorerFor: createScorer }
await initBundle({ model: MODEL, out: join(directory, 'bench@1'), ...about })

const registry = REGISTRY ?? (await soleSchema())
const set = SET.split(' ').filter((one) => one !== '')
const { config } = await loadConfig({
  flags: {
    set: [`bundles.directory=${directory}`, `topics.input=${IN}`, `topics.predictions=${OUT}`, ...set],
    values: { brokers: BROKERS, registry, deployment: GROUP, model: 'bench@1', ...(EOS === '1' && { delivery: 'exactly-once' }) },
  },
  environment: {},
})
const { input: _, predictions: __, ...others } = config.topics
const plan = planTopics(config.topics, { partitions: Number(PARTITIONS) }).filter(({ topic }) => Object.values(others).includes(topic))
await createTopics(createKafka({ brokers: config.brokers, clientId: 'bench' }), plan)

const logger = createLogger({ level: LOG, pretty: true, colors: false, stream: process.stderr })
const worker = startWorker({ config, logger })
for (const signal of ['SIGTERM', 'SIGINT'])
  process.on(signal, async () => {
    if (LOG === 'debug') console.error(JSON.stringify(worker.status.pipe, undefined, 1))
    await worker.stop()
    process.exit(0)
  })
await worker.finished

/** Where no registry is: the input's schema under the id 1, and whatever is registered under others. */
async function soleSchema() {
  const fields = [{ name: 'id', type: 'string' }, { name: 'features', type: { type: 'array', items: 'float' } }]
  const schemas = new Map([[1, JSON.stringify({ type: 'record', name: 'FeatureRow', namespace: 'bench', fields })]])
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (part) => {
      body += part
    })
    request.on('end', () => {
      response.setHeader('content-type', 'application/vnd.schemaregistry.v1+json')
      const [, id] = /^\/schemas\/ids\/(\d+)/.exec(request.url) ?? []
      if (id !== undefined) return response.end(JSON.stringify({ schema: schemas.get(Number(id)) }))
      if (request.method !== 'POST') {
        response.statusCode = 404
        return response.end(JSON.stringify({ error_code: 40401, message: 'Subject not found' }))
      }
      const next = schemas.size + 1
      schemas.set(next, JSON.parse(body).schema)
      response.end(JSON.stringify({ id: next }))
    })
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  return `http://127.0.0.1:${server.address().port}`
}
