/** A worker as a user would have it, on Kafka: real registry, fences, events, commits. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { runApplication } from '../application.js'
import { fillTopic, registerRows, rowValues } from '../feature-rows.js'
import { perceptron, workloads } from '../models.js'
import { type Row, rowOf } from '../result.js'
import type { Part } from '../suite.js'

export const millrace = resolve('test/bench/run-millrace.sh')
const partitions = 8

export const wholePipe: Part = async ({ kafka, brokers, registry, smoke, rounds, onProgress }) => {
  const rows: Row[] = []
  for (const [name, { layers, features, classes }] of Object.entries(workloads)) {
    if (smoke && name !== 'w1') continue
    const records = smoke ? 5_000 : name === 'w1' ? 500_000 : 60_000
    const input = `bench-${name}-${Date.now()}`
    const values = rowValues(await registerRows(registry, input), features)
    await fillTopic(kafka, { topic: input, partitions, records, values })
    const place = { kafka, brokers, registry, input, partitions, records, classes }
    const found = await withModel(perceptron(layers), async (model) => {
      const runs = []
      for (let round = 0; round < rounds; round++) {
        runs.push(await runApplication({ command: millrace, ...place, model }))
        onProgress(`  ${name}: ${JSON.stringify(runs.at(-1))}`)
      }
      return runs
    })
    const of = (what: keyof (typeof found)[0]) => found.map((run) => run[what])
    rows.push(
      rowOf('whole', `${name}, steady`, of('steady'), 'records/s'),
      rowOf('whole', `${name}, first to last`, of('all'), 'records/s'),
      rowOf('whole', `${name}, CPU, start included`, of('cpuSecondsPerMillion'), 's per million'),
      rowOf('whole', `${name}, peak memory`, of('residentMb'), 'MB'),
    )
  }
  return rows
}

/** The path of a file with the model, removed afterwards. */
export const withModel = async <T>(bytes: Buffer, work: (path: string) => Promise<T>): Promise<T> => {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-model-'))
  try {
    const path = join(directory, 'model.onnx')
    await writeFile(path, bytes)
    return await work(path)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
