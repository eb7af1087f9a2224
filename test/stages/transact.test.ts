import { Subject } from 'rxjs'
import { expect, test } from 'vitest'
import type { Encoded, Outgoing, Transactor } from '../../stages/ports.js'
import { transact } from '../../stages/transact.js'

const outgoing = (partition: number): Outgoing => ({ kind: 'predictions', partition, records: [] })
const encoded = (name: number, partitions: readonly number[]): Encoded =>
  ({
    batch: { name },
    outgoing: partitions.map(outgoing),
    covered: partitions.map((partition) => ({ topic: 'in', partition, start: name, next: name + 1 })),
    records: 1,
    bytes: 1,
  }) as unknown as Encoded

/** A transactor whose commits a test decides about. */
const held = () => {
  const open: { partition: number; outgoing: readonly Outgoing[]; commit(): void; fail(error: Error): void }[] = []
  const transactor: Transactor = {
    publish: ({ covered, outgoing: records }) =>
      new Promise((resolve, reject) =>
        open.push({ partition: covered.partition, outgoing: records, commit: resolve, fail: reject }),
      ),
  }
  return { open, transactor }
}
const running = () => {
  const { open, transactor } = held()
  const source = new Subject<Encoded>()
  const out: Encoded[] = []
  const end = { completed: false, error: undefined as unknown }
  source.pipe(transact({ transactor })).subscribe({
    next: (value) => out.push(value),
    complete: () => {
      end.completed = true
    },
    error: (error) => {
      end.error = error
    },
  })
  return { open, source, out, end, settled: () => new Promise((resolve) => setImmediate(resolve)) }
}

test('each partition of a batch goes into its own transaction, with what was made of it', () => {
  const { open, source } = running()
  source.next(encoded(1, [0, 3]))
  expect(open.map(({ partition, outgoing: records }) => [partition, records])).toEqual([
    [0, [outgoing(0)]],
    [3, [outgoing(3)]],
  ])
})

test('a batch passes when all of it is committed, those of a partition in order, and the next ones do not wait to be given', async () => {
  const { open, source, out, settled } = running()
  const [first, second] = [encoded(1, [0, 1]), encoded(2, [0])]
  source.next(first)
  source.next(second)
  expect(open).toHaveLength(3)
  open[2]!.commit()
  open[0]!.commit()
  await settled()
  expect(out).toEqual([])
  open[1]!.commit()
  await settled()
  expect(out).toEqual([first, second])
})

test('what a partition has committed does not wait for another, which commits at another moment', async () => {
  const { open, source, out, settled } = running()
  const batches = [encoded(1, [0]), encoded(2, [1]), encoded(3, [0, 1]), encoded(4, [1])]
  for (const one of batches) source.next(one)
  const [first, second, third, alsoThird, fourth] = open
  second!.commit()
  alsoThird!.commit()
  fourth!.commit()
  await settled()
  expect(out).toEqual([batches[1]])
  first!.commit()
  await settled()
  expect(out).toEqual([batches[1], batches[0]])
  third!.commit()
  await settled()
  expect(out).toEqual([batches[1], batches[0], batches[2], batches[3]])
})

test('it completes once everything is committed', async () => {
  const { open, source, out, end, settled } = running()
  source.next(encoded(1, [0]))
  source.complete()
  await settled()
  expect(end.completed).toBe(false)
  open[0]!.commit()
  await settled()
  expect([out.length, end.completed]).toEqual([1, true])
})

test('a transaction that was taken away errors the stream, and nothing passes afterwards', async () => {
  const { open, source, out, end, settled } = running()
  source.next(encoded(1, [0]))
  source.next(encoded(2, [1]))
  const error = new Error('fenced')
  open[0]!.fail(error)
  await settled()
  open[1]!.commit()
  await settled()
  expect([end.error, out]).toEqual([error, []])
})
