/**
 * The fault suite: `npm run chaos`. Runs every cell, prints a table, and ends with 1 when anything was lost, doubled, out of order or scored by
 * another model than the fences say.
 *
 *   npm run chaos -- --cells kill,zombie --delivery at-least-once --seed 7
 *   npm run chaos -- --cells all@3 --faults 15                   all faults at random, with three workers instead of `--workers`
 *   npm run chaos -- --cells switch+kill --rate 20000 --seconds 600 --workers 3 --pause 2000      the swap, in earnest
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { type CellResult, runCell } from './cell.js'
import { type FaultName, faults } from './faults.js'
import type { Delivery } from './world.js'

const { values } = parseArgs({
  options: {
    cells: { type: 'string', default: [...Object.keys(faults), 'all', 'all@3'].join(',') },
    delivery: { type: 'string', default: 'at-least-once,exactly-once' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    workers: { type: 'string', default: '2' },
    rate: { type: 'string', default: '5000' },
    records: { type: 'string', default: '100000' },
    faults: { type: 'string', default: '5' },
    seconds: { type: 'string' },
    pause: { type: 'string', default: '1500' },
    json: { type: 'string' },
  },
})
const recordsPerSecond = Number(values.rate)
const minRecords = values.seconds ? recordsPerSecond * Number(values.seconds) : Number(values.records)

const results: CellResult[] = []
for (const delivery of values.delivery.split(',') as Delivery[])
  for (const cell of values.cells.split(',')) {
    const [name = '', workers = values.workers] = cell.split('@')
    const chosen = (name === 'all' ? Object.keys(faults) : name.split('+')) as FaultName[]
    const unknown = chosen.find((one) => !(one in faults))
    if (unknown) throw new Error(`no fault ${unknown}; there are ${Object.keys(faults).join(', ')}, and all`)
    const common = { name, delivery, faults: chosen, seed: Number(values.seed), workers: Number(workers) }
    const begun = { ...common, recordsPerSecond, minRecords, minFaults: Number(values.faults) }
    console.error(`${delivery} × ${name}, ${workers} workers, seed ${values.seed}`)
    try {
      const onProgress = (line: string) => console.error(`  ${line}`)
      results.push(await runCell({ ...begun, pauseMs: Number(values.pause), onProgress }))
    } catch (error) {
      const nothing = { records: 0, faults: 0, duplicates: 0, generations: 0, seconds: 0 }
      const failed = { ...nothing, gapAtSwitchMs: [], gapElsewhereMs: [], wrong: [String(error)] }
      results.push({ name, delivery, seed: common.seed, workers: common.workers, ...failed })
    }
    if (values.json) writeFileSync(values.json, `${JSON.stringify(results, undefined, 2)}\n`)
  }

const quantile = (all: readonly number[], part: number) =>
  all.length === 0 ? '' : String(all.toSorted((one, other) => one - other)[Math.floor((all.length - 1) * part)])
const spread = (all: readonly number[]) => [0.5, 0.9, 1].map((part) => quantile(all, part)).join(' / ')
const head = [
  'delivery',
  'faults',
  'workers',
  'n',
  'records',
  'duplicates',
  'generations',
  'gap at a switch',
  'gap elsewhere',
  'verdict',
]
const table = new Table({ head, style: { head: [], border: [] } })
for (const one of results) {
  const figures = [one.workers, one.faults, one.records, one.duplicates, one.generations]
  const gaps = [spread(one.gapAtSwitchMs), spread(one.gapElsewhereMs)]
  table.push([one.delivery, one.name, ...figures, ...gaps, one.wrong.length === 0 ? 'ok' : one.wrong.join('; ')])
}
console.log(table.toString())
console.log(
  'gaps: the longest silence of a consumer in half a second, milliseconds: median / 90 % / longest of those windows',
)
const failed = results.filter(({ wrong }) => wrong.length > 0).length
console.log(`${results.length - failed} passed, ${failed} failed`)
// A cell that failed may have left a generator that waits for its broker.
process.exit(failed > 0 ? 1 : 0)
