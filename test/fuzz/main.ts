/**
 * Bad input in bulk: `npm run fuzz`. Prints a table of what became of every kind, and ends with 1 when anything crashed, hung, took memory
 * without limit, or was not accounted for.
 *
 *   npm run fuzz -- --records 1000000 --live 200000 --inputs 10000 --requests 2000 --seed 7
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { storeFragileModel } from '../fixtures/fragile-model.js'
import { fuzzKind } from './fuzz.js'
import { createKinds } from './kinds.js'
import { fuzzLive } from './live.js'
import { fuzzPipe } from './records.js'
import { createTally, noteMemory, report, type Tally } from './tally.js'

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '1000000' },
    live: { type: 'string', default: '200000' },
    inputs: { type: 'string', default: '12000' },
    requests: { type: 'string', default: '2000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    cap: { type: 'string', default: '1024' },
  },
})
const [seed, capMb] = [Number(values.seed), Number(values.cap)]
const tallies: Tally[] = []
const begin = (kind: string): Tally => {
  const tally = createTally(kind)
  tallies.push(tally)
  return tally
}
const say = (line: string) => console.error(line)

/** Input that never comes back holds this thread: another one says which it was. */
const watchdog = () => {
  const at = new Int32Array(new SharedArrayBuffer(8))
  const code = `
    const { workerData: { at, names } } = require('node:worker_threads')
    let before = ''
    setInterval(() => {
      const now = at.join()
      if (at[0] >= 0 && now === before) { console.error('hangs: ' + names[at[0]] + ', input ' + at[1]); process.kill(process.pid, 'SIGKILL') }
      before = now
    }, 60_000)`
  const start = (names: readonly string[]) => new Worker(code, { eval: true, workerData: { at, names } }).unref()
  at[0] = -1
  return { at, start }
}

say(`seed ${seed}`)
const { at, start } = watchdog()
const kinds = await createKinds()
start(kinds.all.map(({ name }) => name))
for (const [number, kind] of kinds.all.entries()) {
  const inputs = Math.ceil((Number(values.inputs) * kind.weight) / 1_000)
  say(`${kind.name}: ${inputs} inputs`)
  const onInput = (index: number) => {
    at[0] = number
    at[1] = index
  }
  await fuzzKind(kind, begin(kind.name), { inputs, seed, capMb, onInput })
}
at[0] = -1
await kinds.close()

const store = await mkdtemp(join(tmpdir(), 'millrace-fuzz-'))
await storeFragileModel(store)
const piped = begin('records, in process')
let rounds = 0
const onRound = () => {
  noteMemory(piped, capMb)
  if (++rounds % 10 === 0) say(`records: ${piped.tried}`)
}
await fuzzPipe(piped, { records: Number(values.records), seed, store, onRound })
await rm(store, { recursive: true, force: true })

const [live, rest] = [begin('records, live'), begin('REST requests')]
const liveOptions = { records: Number(values.live), requests: Number(values.requests), seed, capMb, onProgress: say }
if (liveOptions.records > 0) await fuzzLive(live, rest, liveOptions)

console.log(report(tallies))
const finds = tallies.reduce((sum, { wrong }) => sum + wrong.length, 0)
console.log(`seed ${seed}: ${finds === 0 ? 'nothing found' : `${finds} finds`}`)
process.exitCode = finds === 0 ? 0 : 1
