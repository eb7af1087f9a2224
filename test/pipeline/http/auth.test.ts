import { expect, type Mock, test, vi } from 'vitest'
import { createAuth } from '../../../pipeline/http/auth.js'

vi.mock('node:crypto', async (original) => {
  const crypto = await original<typeof import('node:crypto')>()
  return { ...crypto, timingSafeEqual: vi.fn(crypto.timingSafeEqual) }
})
const { timingSafeEqual } = (await import('node:crypto')) as unknown as { timingSafeEqual: Mock }

const token = 'the-token-of-these-tests'
const guess = (auth: ReturnType<typeof createAuth>, given: string, address: string) =>
  auth.check(`Bearer ${given}`, address).then(
    () => 'let in',
    ({ code }) => code,
  )

test('tokens are compared in constant time, over as many bytes however long or right they are', async () => {
  const auth = createAuth(async () => token)
  const answers = []
  for (const given of ['t', token.slice(0, -1), `${token}x`, 'x'.repeat(8_000), token])
    answers.push(await guess(auth, given, 'a'))
  expect(answers).toEqual(['token-wrong', 'token-wrong', 'token-wrong', 'token-wrong', 'let in'])
  // One comparison decides about each, so none was turned away by a look at its length or its beginning.
  expect(timingSafeEqual.mock.calls.map((both) => both.map(({ length }) => length))).toEqual(
    Array.from({ length: 5 }, () => [32, 32]),
  )
  expect(timingSafeEqual.mock.results.map(({ value }) => value)).toEqual([false, false, false, false, true])
})

test('guessing from many addresses does not fill the memory, and frees nobody who guessed just now', async () => {
  const auth = createAuth(async () => token)
  for (let i = 0; i < 1_500; i++) await guess(auth, 'wrong', `address ${i}`)
  for (let i = 0; i < 10; i++) await guess(auth, 'wrong', 'address 1499')
  expect(await guess(auth, token, 'address 1499')).toBe('too-many-failures')
  expect(await guess(auth, token, 'address 1498')).toBe('let in')
})
