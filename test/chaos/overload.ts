/**
 * More than can be scored: `npm run overload`. First one batch takes a minute; then five times as much comes in as goes out, for ten minutes; then
 * the worker is asked to stop. Ends with 1 when memory grew, the lag did not or could not be seen, the worker lost its partitions or was slow to end.
 *
 *   npm run overload -- --seconds 60 --inference 20 --delivery exactly-once
 */
import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { faultsOf, overloadWorker, runOverload, thirdsOf } from './overload-run.js'
import { createWorld, type Delivery } from './world.js'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    inference: { type: 'string', default: '60' },
    times: { type: 'string', default: '5' },
    delivery: { type: 'string', default: 'at-least-once' },
  },
})
const delivery = values.delivery as Delivery

const world = await createWorld({ ...overloadWorker, deployment: `overload-${randomUUID().slice(0, 8)}`, delivery })
try {
  const endured = await runOverload(world, {
    slowBatchSeconds: Number(values.inference),
    times: Number(values.times),
    seconds: Number(values.seconds),
    lookEveryMs: 2_000,
    onProgress: (line) => console.error(line),
  })
  const wrong = faultsOf(endured)
  const { samples } = endured
  const { lags, memoryMb } = thirdsOf(samples)
  const most = Math.max(...samples.map(({ residentMb }) => residentMb))
  const { sent, scored } = samples.at(-1)!
  const table = new Table({ style: { head: [], border: [] } })
  table.push(
    ['delivery', delivery],
    [`answers to batches of ${values.inference} s after, seconds`, endured.slowSeconds],
    ['in / out, records', `${sent} / ${scored}`],
    ['lag shown at a third, two thirds, the end', lags.join(' / ')],
    ['memory: median of the middle third, of the last, most (MB)', [...memoryMb, most].join(' / ')],
    ['who had the partitions', endured.tenure],
    ['stopped within, ms', endured.stopMs],
    ['verdict', wrong.length === 0 ? 'ok' : [...new Set(wrong)].slice(0, 5).join('\n')],
  )
  console.log(table.toString())
  process.exitCode = wrong.length === 0 ? 0 : 1
} finally {
  await world.close()
}
