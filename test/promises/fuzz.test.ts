import { expect, test } from 'vitest'
import { storeFragileModel } from '../fixtures/fragile-model.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'
import { fuzzKind } from '../fuzz/fuzz.js'
import { createKinds } from '../fuzz/kinds.js'
import { fuzzPipe } from '../fuzz/records.js'
import { createTally } from '../fuzz/tally.js'

/** The short form of `npm run fuzz`. */
const [seed, capMb] = [11, 4_096]

test('whatever comes in, it is taken or refused for a reason of the table, one input after the other', async () => {
  const kinds = await createKinds()
  for (const kind of kinds.all) {
    const tally = createTally(kind.name)
    await fuzzKind(kind, tally, { inputs: Math.ceil(kind.weight / 2), seed, capMb })
    expect([kind.name, tally.wrong]).toEqual([kind.name, []])
  }
  await kinds.close()
})

test('every record becomes a prediction, or a dead letter with its own bytes', async () => {
  const store = await temporaryDirectory()
  await storeFragileModel(store)
  const tally = createTally('records')
  await fuzzPipe(tally, { records: 20_000, seed, store, onRound: () => undefined })
  expect(tally.wrong).toEqual([])
  expect(tally.tried).toBe(20_000)
  // It is neither all good nor all bad, and of many kinds.
  expect(tally.outcomes.get('accepted')).toBeGreaterThan(1_000)
  expect(tally.outcomes.size).toBeGreaterThan(8)
})
