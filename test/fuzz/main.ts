/**
 * Bad input in bulk: `npm run fuzz`. Prints a table of what became of every kind, and ends with 1 when anything crashed, hung, took memory
 * without limit, or was not accounted for.
 *
 *   npm run fuzz -- --records 1000000 --live 200000 --inputs 20000 --requests 2000 --seed 7
 *
 * A find is printed with what has it alone again: `npm run fuzz -- --only=KIND --seed=SEED --path=PATH`.
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
import { openRecords } from './records.js'
import { createTally, noteMemory, report, type Tally } from './tally.js'

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '1000000' },
    live: { type: 'string', default: '200000' },
    inputs: { type: 'string', default: '20000' },
    requests: { type: 'string', default: '2000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    cap: { type: 'string', default: '1024' },
    only: { type: 'string' },
    path: { type: 'string' },
  },
})
const [seed, capMb] = [Number(values.seed), Number(values.cap)]
const { only, path } = values
const wanted = (kind: string) => only === undefined || only === kind
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
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    console.log(`${report(tallies)}\nseed ${seed}: ended by ${signal} before it was done`)
    process.exit(1)
  })
const { at, start } = watchdog()
const kinds = await createKinds()
start(kinds.all.map(({ name }) => name))
for (const [number, kind] of kinds.all.entries()) {
  if (!wanted(kind.name)) continue
  const inputs = Math.ceil((Number(values.inputs) * kind.weight) / 1_000)
  say(`${kind.name}: ${inputs} inputs`)
  const onInput = (index: number) => {
    at[0] = number
    at[1] = index
  }
  const tally = begin(kind.name)
  await fuzzKind(kind, tally, { inputs, seed, capMb, path, onInput })
  for (const find of tally.wrong) say(find)
}
at[0] = -1
await kinds.close()

if (wanted('records')) {
  const store = await mkdtemp(join(tmpdir(), 'millrace-fuzz-'))
  await storeFragileModel(store)
  const records = await openRecords(store)
  const tally = begin('records, in process')
  let rounds = 0
  const onRound = () => {
    noteMemory(tally, capMb)
    if (++rounds % 10 === 0) say(`records: ${tally.tried}`)
  }
  if (path === undefined) await records.fuzz(tally, { records: Number(values.records), seed, onRound })
  else await fuzzKind(records.kind, tally, { inputs: 1, seed, capMb, path })
  await records.close()
  await rm(store, { recursive: true, force: true })
}

if (Number(values.live) > 0 && (only === undefined || only === 'REST requests')) {
  const records = only === undefined ? Number(values.live) : 0
  const live = { records, requests: Number(values.requests), seed, capMb, path, onProgress: say }
  await fuzzLive(begin('records, live'), begin('REST requests'), live)
}

console.log(report(tallies))
const finds = tallies.reduce((sum, { wrong }) => sum + wrong.length, 0)
console.log(`seed ${seed}: ${finds === 0 ? 'nothing found' : `${finds} finds`}`)
process.exitCode = finds === 0 ? 0 : 1
