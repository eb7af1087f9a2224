import fc from 'fast-check'
import { expect, test } from 'vitest'
import { storeFragileModel } from '../fixtures/fragile-model.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'
import { fuzzKind, type Kind } from '../fuzz/fuzz.js'
import { createKinds } from '../fuzz/kinds.js'
import { openRecords } from '../fuzz/records.js'
import { attempt, count, createTally, mostMs, noteMemory } from '../fuzz/tally.js'

/** The short form of `npm run fuzz`. */
const [seed, capMb] = [11, 4_096]

test('whatever comes in, it is taken or refused for a reason of the table, one input after the other', async () => {
  const kinds = await createKinds()
  for (const kind of kinds.all) {
    const tally = createTally(kind.name)
    // Each verification starts a process.
    const inputs = kind.name === 'verification' ? 4 : Math.ceil(kind.weight / 2)
    await fuzzKind(kind, tally, { inputs, seed, capMb })
    expect([kind.name, tally.wrong]).toEqual([kind.name, []])
    expect(tally.tried).toBe(inputs)
    if (kind.name === 'verification') expect(tally.reached.get('load')).toBeGreaterThan(0)
  }
  await kinds.close()
})

test('what is found is made small, and its seed and path have it again', async () => {
  const kind: Kind<number[]> = {
    name: 'numbers',
    weight: 0,
    inputs: fc.array(fc.nat(1_000)),
    judge(numbers) {
      if (numbers.length > 2) throw new Error('three are too many')
      return 'accepted'
    },
  }
  const tally = createTally(kind.name)
  await fuzzKind(kind, tally, { inputs: 200, seed, capMb })
  const [find] = tally.wrong
  expect(find).toMatch(/: Error: three are too many\n.*of \[0,0,0\]$/s)
  const [, findSeed, path] = /--seed=(-?\d+) --path=(\S+): /.exec(find!)!
  const again = createTally(kind.name)
  await fuzzKind(kind, again, { inputs: 1, seed: Number(findSeed), path, capMb })
  expect([again.tried, again.wrong]).toEqual([1, [expect.stringMatching(/of \[0,0,0\]$/)]])
})

test('a second of the processor, memory beyond the cap, and a refusal without a reason are finds', async () => {
  const busy = () => {
    const since = process.cpuUsage()
    for (let used = 0; used <= 1.05 * mostMs; ) {
      const { user, system } = process.cpuUsage(since)
      used = (user + system) / 1000
    }
    return 'accepted'
  }
  expect((await attempt(busy)).wrong).toMatch(/^it took \d+ ms$/)
  expect((await attempt(() => 'internal')).wrong).toBe('refused as internal, which says nothing')
  expect(await attempt(() => 'undecodable')).toMatchObject({ outcome: 'undecodable', wrong: undefined })
  const tally = createTally('anything')
  noteMemory(tally, capMb, capMb << 20)
  expect(tally.wrong).toEqual([])
  noteMemory(tally, 100, 101 << 20)
  count(tally, 'bad luck')
  expect(tally.wrong).toEqual(['101 MB, more than 100', 'refused as bad luck, which says nothing'])
})

test('every record becomes a prediction, or a dead letter with its own bytes', async () => {
  const store = await temporaryDirectory()
  await storeFragileModel(store)
  const tally = createTally('records')
  const records = await openRecords(store)
  await records.fuzz(tally, { records: 20_000, seed, onRound: () => undefined })
  await records.close()
  expect(tally.wrong).toEqual([])
  expect(tally.tried).toBe(20_000)
  // It is neither all good nor all bad, and of many kinds.
  expect(tally.outcomes.get('accepted')).toBeGreaterThan(1_000)
  expect(tally.outcomes.size).toBeGreaterThan(8)
})
