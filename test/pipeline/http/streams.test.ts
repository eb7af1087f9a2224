import { expect, onTestFinished, test } from 'vitest'
import type { FlowFrame } from '../../../pipeline/flow-history.js'
import type { ModelEvent } from '../../../pipeline/messages.js'
import { type ServedUnderTest, serveUnderTest } from '../../fixtures/served.js'
import { decoded, encodedOf, fetched, generation, microBatchOf } from '../../fixtures/stage-values.js'

const event = (type: string): ModelEvent => ({
  type,
  worker: 'a',
  command: null,
  model: null,
  digest: null,
  generation: null,
  code: null,
  reason: null,
  at: 0,
})

interface Message {
  readonly event?: string
  readonly id?: string
  readonly data: never
}

/** Listens over a real connection; `next` resolves with the next message. */
const listen = async ({ app }: ServedUnderTest, path: string, headers: Record<string, string> = {}) => {
  if (!app.server.listening) await app.listen({ port: 0 })
  const { port } = app.server.address() as { port: number }
  const closing = new AbortController()
  onTestFinished(() => closing.abort())
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers, signal: closing.signal })
  expect(answer.headers.get('content-type')).toBe('text/event-stream')
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const next = async (): Promise<Message | undefined> => {
    for (;;) {
      const end = text.indexOf('\n\n')
      if (end < 0) {
        const { value, done } = await reader.read()
        if (done) return undefined
        text += value
        continue
      }
      const lines = text.slice(0, end).split('\n')
      text = text.slice(end + 2)
      const fields = Object.fromEntries(lines.map((line) => [line.split(': ')[0], line.slice(line.indexOf(': ') + 2)]))
      if (fields.data !== undefined) return { ...fields, data: JSON.parse(fields.data) as never }
    }
  }
  return { next, close: () => closing.abort() }
}

test('whoever listens to events is told the last ones and then what happens', async () => {
  const served = await serveUnderTest()
  for (const type of ['joined', 'loading', 'prepared']) await served.events.append(event(type))
  const stream = await listen(served, '/v1/events?recent=2')
  expect(await stream.next()).toMatchObject({ event: 'event', id: '1', data: { type: 'loading', offset: 1 } })
  expect(await stream.next()).toMatchObject({ id: '2' })
  await served.events.append(event('activated'))
  expect(await stream.next()).toMatchObject({ id: '3', data: { type: 'activated' } })
})

test('whoever comes back is told what it has missed', async () => {
  const served = await serveUnderTest()
  for (const type of ['joined', 'loading', 'prepared']) await served.events.append(event(type))
  const stream = await listen(served, '/v1/events?recent=0', { 'last-event-id': '0' })
  expect([(await stream.next())?.id, (await stream.next())?.id]).toEqual(['1', '2'])
})

test('the page is shown the history and then, with every second, the samples that are new', async () => {
  const served = await serveUnderTest()
  const publish = (offset: number) =>
    served.samples.observer.published(encodedOf(microBatchOf(decoded(fetched(0, offset, [offset]), generation(1)))))
  publish(1)
  const stream = await listen(served, '/v1/live')
  expect(await stream.next()).toMatchObject({ event: 'history', data: { frames: [], predictions: [{ offset: 1 }] } })
  served.frames.next({ at: 1 } as FlowFrame)
  expect(await stream.next()).toMatchObject({
    event: 'frame',
    data: { frame: { at: 1 }, predictions: [] },
  })
})

test('dead letters are looked for as long as somebody listens, and told where they have changed', async () => {
  const served = await serveUnderTest()
  expect(served.letters.lookers).toBe(0)
  const stream = await listen(served, '/v1/live')
  expect(await stream.next()).toMatchObject({ event: 'history', data: { deadLetters: { known: false } } })
  expect(served.letters.lookers).toBe(1)
  served.letters.current = { ...served.letters.current, known: true, counts: { tombstone: 1 } }
  for (const at of [1, 2]) served.frames.next({ at } as FlowFrame)
  expect((await stream.next())?.data).toMatchObject({ deadLetters: { counts: { tombstone: 1 } } })
  expect((await stream.next())?.data).not.toHaveProperty('deadLetters')
  stream.close()
  await expect.poll(() => served.letters.lookers).toBe(0)
})

test('late records are looked for in the same way, where the deadline is firm', async () => {
  const soft = await serveUnderTest(undefined, { deadline: { class: 'soft', ms: 100 } })
  await (await listen(soft, '/v1/live')).next()
  expect(soft.late.lookers).toBe(0)

  const firm = await serveUnderTest(undefined, { deadline: { class: 'firm', ms: 100 } })
  const stream = await listen(firm, '/v1/live')
  expect(await stream.next()).toMatchObject({ event: 'history', data: { lateRecords: { known: false } } })
  firm.late.current = { ...firm.late.current, known: true, counts: { admission: 1 } }
  for (const at of [1, 2]) firm.frames.next({ at } as FlowFrame)
  expect((await stream.next())?.data).toMatchObject({ lateRecords: { counts: { admission: 1 } } })
  expect((await stream.next())?.data).not.toHaveProperty('lateRecords')
  stream.close()
  await expect.poll(() => firm.late.lookers).toBe(0)
})

test('listeners are bounded, and one that goes makes room', async () => {
  const served = await serveUnderTest()
  const first = await listen(served, '/v1/live')
  await Promise.all(Array.from({ length: 63 }, () => listen(served, '/v1/live')))
  const refused = await served.app.inject('/v1/live')
  expect([refused.statusCode, refused.json().code]).toEqual([503, 'too-busy'])
  first.close()
  await expect
    .poll(async () => {
      const answer = await fetch(`http://127.0.0.1:${(served.app.server.address() as { port: number }).port}/v1/live`)
      await answer.body?.cancel()
      return answer.status
    })
    .toBe(200)
})

test('a server that closes ends its streams', async () => {
  const served = await serveUnderTest()
  const stream = await listen(served, '/v1/events')
  await served.app.close()
  expect(await stream.next()).toBeUndefined()
})

test('a listener that does not read is let go instead of being remembered', async () => {
  const served = await serveUnderTest()
  await listen(served, '/v1/live')
  const before = process.memoryUsage().arrayBuffers
  const large = { at: 1, ballast: 'x'.repeat(100_000) } as unknown as FlowFrame
  for (let i = 0; i < 2_000; i++) served.frames.next(large)
  await expect.poll(() => served.frames.observed).toBe(false)
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 << 20)
})
