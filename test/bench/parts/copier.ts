/** What Kafka alone costs: a copier on our codecs and one on kafkajs as it comes. */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createTopics, withAdmin } from '../../../pipeline/kafka/admin.js'
import { fillTopic, rowValues } from '../feature-rows.js'
import { comparedTo, type Row, rowOf } from '../result.js'
import type { Part } from '../suite.js'
import { type Copied, type CopyJob, copyTopic, type Variant } from './copy-topic.js'

const partitions = 8

export const copier: Part = async ({ kafka, brokers, smoke, rounds, onProgress }) => {
  const records = smoke ? 2_000 : 500_000
  const variants: readonly Variant[] = smoke ? ['ours'] : ['ours', 'kafkajs']
  const [input, output] = ['input', 'output'].map((end) => `copier-${Date.now()}.${end}`) as [string, string]
  await fillTopic(kafka, { topic: input, partitions, records, values: rowValues(1, 30) })
  await createTopics(kafka, [{ topic: output, partitions, replicationFactor: -1, config: {} }])
  const found = new Map<Variant, Copied[]>(variants.map((variant) => [variant, []]))
  try {
    for (let round = 0; round < rounds; round++)
      for (const variant of variants) {
        const job = { variant, brokers, input, output, records }
        found.get(variant)!.push(await (smoke ? copyTopic(job) : inProcess(job)))
        onProgress(`  ${variant}: ${JSON.stringify(found.get(variant)!.at(-1))}`)
      }
  } finally {
    await withAdmin(kafka, (admin) => admin.deleteTopics({ topics: [input, output] }))
  }
  const rowsOf = (what: string, of: (copied: Copied) => number, unit: string): Row[] => {
    const rows = variants.map((variant) => rowOf('copier', `${what}, ${variant}`, found.get(variant)!.map(of), unit))
    return comparedTo(`${what}, kafkajs`, rows)
  }
  return [
    ...rowsOf('copied', ({ seconds }) => records / seconds, 'records/s'),
    ...rowsOf('CPU', ({ cpuSeconds }) => (cpuSeconds * 1e6) / records, 's per million'),
    ...rowsOf('peak memory', ({ residentMb }) => residentMb, 'MB'),
  ]
}

const inProcess = (job: CopyJob): Promise<Copied> =>
  new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL('./copier-process.js', import.meta.url)), [JSON.stringify(job)])
    child.once('message', (copied) => resolve(copied as Copied))
    child.once('exit', (code) => reject(new Error(`the ${job.variant} copier left with ${code}`)))
  })
