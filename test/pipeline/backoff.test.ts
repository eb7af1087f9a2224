import { expect, test } from 'vitest'
import { unless, within } from '../../pipeline/backoff.js'

const never = new Promise<never>(() => undefined)

test('work within a limit ends with it, and with the signal it stands under', async () => {
  const ending = new AbortController()
  expect(await within(60_000, ending.signal, async () => 'done')).toBe('done')
  expect(await within(1, ending.signal, (limit) => unless(never, limit))).toBeUndefined()
  const waiting = within(60_000, ending.signal, (limit) => unless(never, limit))
  ending.abort()
  expect(await waiting).toBeUndefined()
  expect(await within(60_000, ending.signal, (limit) => unless(never, limit))).toBeUndefined()
})

/** What a signal holds on to: Node keeps it in sets and maps under symbols. */
const heldBy = (signal: AbortSignal): number =>
  Object.getOwnPropertySymbols(signal)
    .map((name) => (signal as unknown as Record<symbol, { readonly size?: number } | undefined>)[name]?.size ?? 0)
    .reduce((sum, size) => sum + size, 0)

test('a signal that lives on keeps nothing of the limits that stood under it', async () => {
  const { signal } = new AbortController()
  await within(60_000, signal, async () => undefined)
  const before = heldBy(signal)
  for (let i = 0; i < 100; i++) await within(60_000, signal, (limit) => unless(Promise.resolve(i), limit))
  expect(heldBy(signal)).toBe(before)
})
