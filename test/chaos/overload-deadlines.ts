/**
 * What comes in time when more comes in than can be scored: `npm run overload:deadlines`. Measures what a pipe without a deadline scores a second,
 * then sends 1.5 and 3 times as much through it and through the same with a firm deadline; then, at 70 %, changes the model every two seconds.
 * Broker and registry are its own, or those of MILLRACE_BROKERS and MILLRACE_REGISTRY.
 *
 *   npm run overload:deadlines -- --seconds 20 --deadline 400 --delivery exactly-once --switch
 *
 * `--switch` leaves out the overload, `--overload` the switches; `--out DIR` is where figures and plot go (test/bench/results, with the tables of
 * the documents, when nothing is left out; else nowhere). Ends with 1 when firm goodput is below nine tenths of what the
 * pipe without a deadline scores, in time or not, under the same load.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startStack } from '../../docker/stack.js'
import { createKafka } from '../../pipeline/kafka/client.js'
import { describeMachine, machineText } from '../bench/machine.js'
import { type Row, rowOf } from '../bench/result.js'
import { committed, save } from '../bench/results.js'
import { roundsPerMs, storeSteadyModels } from '../fixtures/slow-model.js'
import { type Ground, type Load, measureGoodput } from './goodput.js'
import type { Goodput, Misses } from './goodput-account.js'
import { goodputChart } from './goodput-chart.js'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    deadline: { type: 'string', default: '400' },
    /** of the model, of each record */
    cost: { type: 'string', default: '0.4' },
    delivery: { type: 'string', default: 'at-least-once' },
    switch: { type: 'boolean', default: false },
    overload: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
})
const all = values.switch === values.overload
const out = values.out ?? (all ? committed : undefined)
const seconds = Number(values.seconds)
const costMs = Number(values.cost)
const times = [1.5, 3]
const [firmName, freeName] = ['with a firm deadline', 'without a deadline']
const nameOf = (name: string, factor: number) => `${name}, ${factor} × capacity`

const machine = await describeMachine()
const directory = await mkdtemp(join(tmpdir(), 'millrace-overload-'))
const { MILLRACE_BROKERS: givenBrokers, MILLRACE_REGISTRY: givenRegistry } = process.env
const stack =
  givenBrokers && givenRegistry
    ? { brokers: givenBrokers, registry: givenRegistry, stop: async () => undefined }
    : await startStack({
        cacheDirectory: 'node_modules/.cache/millrace/stack',
        dataDirectory: directory,
        onProgress: (line) => console.error(line),
      })

interface Measured {
  readonly name: string
  readonly load: Load
  readonly goodput: Goodput
}
const runs: Measured[] = []
try {
  const rounds = Math.round(costMs * (await roundsPerMs()))
  const store = join(directory, 'bundles')
  await mkdir(store)
  const digests = await storeSteadyModels(store, rounds)
  const ground: Ground = {
    ...stack,
    kafka: createKafka({ brokers: stack.brokers.split(','), clientId: 'overload' }),
    store,
    digests,
    rounds,
    deadlineMs: Number(values.deadline),
    delivery: values.delivery as Ground['delivery'],
  }
  const measure = async (name: string, load: Load): Promise<Goodput> => {
    const goodput = await measureGoodput(ground, load)
    runs.push({ name, load, goodput })
    const { seconds: _, ...figures } = goodput
    console.error(name, JSON.stringify(figures))
    return goodput
  }
  const capacity = (await measure('capacity', { perSecond: 3_000 / costMs, seconds: Math.max(10, seconds / 2) }))
    .scoredPerSecond
  const rows: Row[] = [rowOf('capacity', freeName, [capacity], 'records/s')]
  if (all || values.overload)
    for (const factor of times) {
      const load: Load = { perSecond: Math.round(factor * capacity), seconds }
      const without = await measure(nameOf(freeName, factor), load)
      const firm = await measure(nameOf(firmName, factor), { ...load, class: 'firm' })
      // Both have the same load and, minutes later, no other machine: what is scored at all is the capacity of that moment.
      const against = ({ inTimePerSecond }: Goodput) => ({
        ratio: Number((inTimePerSecond / without.scoredPerSecond).toPrecision(4)),
        against: 'what is scored at all',
      })
      const part = `${factor} × capacity comes in`
      rows.push(
        rowOf(part, 'scored at all, without a deadline', [without.scoredPerSecond], 'records/s'),
        rowOf(part, `in time, ${freeName}`, [without.inTimePerSecond], 'records/s', against(without)),
        rowOf(part, `in time, ${firmName}`, [firm.inTimePerSecond], 'records/s', against(firm)),
      )
    }
  if (all || values.switch)
    for (const [name, switching] of [
      ['no switches', undefined],
      ['warm switches, every 2 s', { everyMs: 2_000, cold: false }],
      ['cold switches, one after the other', { everyMs: 2_000, cold: true }],
    ] as const) {
      const load: Load = { class: 'firm', perSecond: Math.round(0.7 * capacity), seconds: 1.5 * seconds, switching }
      rows.push(...switchRows(name, await measure(name, load)))
    }
  console.table(rows.map(({ part, name, value, unit, ratio }) => ({ part, name, value, unit, ratio })))
  if (out !== undefined) await keep(out, rows)
  for (const { part, ratio } of rows.filter(({ name }) => name === `in time, ${firmName}`))
    if ((ratio ?? 0) < 0.9) {
      console.error(`${part}: firm goodput is ${ratio} of the capacity`)
      process.exitCode = 1
    }
} finally {
  await stack.stop()
  await rm(directory, { recursive: true, force: true })
}

function switchRows(name: string, { during, otherwise, switches, switchMs }: Goodput): Row[] {
  const row = (when: string, { records, missed }: Misses) =>
    rowOf(name, when, [(100 * missed) / Math.max(records, 1)], '%', { note: `${missed} of ${records} missed` })
  if (!switchMs) return [row('all records', otherwise)]
  const note = `${switches} switches, the longest in ${switchMs[1]} ms`
  return [
    row('records due during a switch', during),
    row('all others', otherwise),
    rowOf(name, 'from the command to a prediction', [switchMs[0]], 'ms', { note }),
  ]
}

async function keep(directory: string, rows: readonly Row[]): Promise<void> {
  const command = `npm run overload:deadlines -- ${process.argv.slice(2).join(' ')}`.replace(/ -- $/, '')
  const measuredAt = new Date().toISOString()
  await save(directory, 'deadlines', { command, measuredAt, machine, rows, runs })
  const lines = (factor: number) => {
    const goodputOf = (name: string) => runs.find((run) => run.name === nameOf(name, factor))?.goodput
    const capacity = goodputOf(freeName)?.scoredPerSecond ?? 1
    // The last second is not a whole one.
    const shares = (name: string) => goodputOf(name)?.seconds.slice(0, Math.floor(seconds)) ?? []
    return [firmName, freeName].map((name) => ({ name, shares: shares(name).map(({ inTime }) => inTime / capacity) }))
  }
  const panels = times.map((factor) => ({ title: `${factor} × capacity comes in`, lines: lines(factor) }))
  const heading = `Predictions within ${values.deadline} ms, as a share of the capacity`
  const caption = `${command} · ${measuredAt.slice(0, 10)} · ${machineText(machine)}`
  if (panels.some(({ lines }) => lines.some(({ shares }) => shares.length > 0)))
    await writeFile(join(directory, 'deadlines.svg'), goodputChart(heading, panels, caption))
  if (directory === committed) await import('../../pipeline/readme/write.js')
}
