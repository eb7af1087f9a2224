/** How cost grows: throughput of the whole pipe as one thing grows and all others stay. */
import { withAdmin } from '../../pipeline/kafka/admin.js'
import { type ApplicationOptions, type Measured, runApplication } from './application.js'
import { fillTopic, registerRows, rowValues } from './feature-rows.js'
import { perceptron, workloads } from './models.js'
import { millrace, withModel } from './parts/whole-pipe.js'
import { createProgress, type Progress } from './progress.js'
import { median, type Row, rowOf } from './result.js'
import type { Place } from './suite.js'

export interface ScaleOptions extends Place {
  readonly rounds: number
  /** the largest backlog, and what other scales derive their number of records from */
  readonly records: number
  readonly onProgress: (line: string) => void
}

interface Step {
  readonly name: string
  readonly partitions?: number
  readonly records: number
  readonly layers?: readonly number[]
  /** bytes of a record that the model does not read */
  readonly padding?: number
  readonly processes?: number
  /** the row says bytes rather than records */
  readonly inBytes?: boolean
}

/** With less, most of it is one batch. */
const fewest = 5_000

/** Hidden layers as wide as it takes: weights are 4 bytes each. */
const layersOf = (megabytes: number): number[] => {
  const width = Math.round(Math.sqrt((megabytes * 1e6) / 4 + 16 ** 2) - 16)
  return [30, width, width, 2]
}

export const scales: Readonly<Record<string, (records: number) => readonly Step[]>> = {
  backlog: (records) =>
    [0.05, 0.25, 1].map((part) => ({
      name: `${Math.round(records * part).toLocaleString('en-US')} records`,
      records: records * part,
    })),
  partitions: (records) =>
    [1, 8, 64, 256].map((partitions) => ({ name: `${partitions} partitions`, partitions, records })),
  'record-size': (records) =>
    [100, 1_000, 10_000, 100_000].map((bytes) => {
      const share = Math.min(1, 2_000 / bytes) / 10
      return {
        name: `${bytes.toLocaleString('en-US')} bytes`,
        records: Math.max(fewest, Math.ceil(records * share)),
        padding: bytes - 80,
        layers: [16, 64, 32, 2],
        inBytes: true,
      }
    }),
  'model-size': (records) =>
    [0.02, 0.2, 2, 20].map((megabytes) => ({
      name: `${megabytes} MB`,
      records: Math.max(fewest, Math.ceil((records / 10) * Math.min(1, 0.2 / megabytes))),
      layers: layersOf(megabytes),
    })),
  // Each has a second or two of code that is not compiled yet, on the cores of all: long enough for that not to be what is measured.
  workers: (records) =>
    [1, 2, 4].map((processes) => ({ name: `${processes} processes`, records: records * 2, processes })),
}

export const measureScale = async (name: string, options: ScaleOptions): Promise<Row[]> => {
  const steps = scales[name]?.(options.records)
  if (!steps) throw new Error(`no scale ${name}; there are ${Object.keys(scales).join(', ')}`)
  const rows: Row[] = []
  const progress = createProgress(steps.length * (1 + options.rounds), options.onProgress)
  for (const step of steps) {
    const runs = await runStep(step, options, progress)
    const [steady, peak] = [runs.map((run) => run.steady), median(runs.map((run) => run.residentMb))]
    const cpu = median(runs.map((run) => run.cpuSecondsPerMillion))
    const bytes = step.padding === undefined ? 0 : step.padding + 80
    const note = `${peak} MB, ${cpu.toPrecision(3)} CPU s per million${step.inBytes ? `, ${Math.round((median(steady) * bytes) / 1e6)} MB/s` : ''}`
    rows.push(rowOf(name, step.name, steady, 'records/s', { note }))
  }
  const [first] = rows
  return rows.map((row) => ({ ...row, ratio: Number((row.value / first!.value).toPrecision(3)), against: first!.name }))
}

const runStep = async (step: Step, options: ScaleOptions, progress: Progress): Promise<Measured[]> => {
  const { kafka, brokers, registry, rounds } = options
  const { partitions = 8, layers = workloads.w1.layers, padding = 0, processes, records } = step
  const input = `bench-scale-${Date.now()}`
  const values = rowValues(await registerRows(registry, input, padding > 0), layers[0]!, padding)
  progress.begin(`${step.name}: filling the input`)
  await fillTopic(kafka, { topic: input, partitions, records, values })
  try {
    return await withModel(perceptron(layers), async (model) => {
      const runs: Measured[] = []
      const application: ApplicationOptions = {
        ...{ command: millrace, kafka, brokers, registry, input, partitions, records, model, classes: layers.at(-1)! },
        processes,
      }
      for (let round = 0; round < rounds; round++) {
        progress.begin(`${step.name}, round ${round + 1} of ${rounds}`)
        runs.push(await runApplication(application))
        progress.found(JSON.stringify(runs.at(-1)))
      }
      return runs
    })
  } finally {
    await withAdmin(kafka, (admin) => admin.deleteTopics({ topics: [input] }))
  }
}
