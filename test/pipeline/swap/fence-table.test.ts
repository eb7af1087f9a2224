import avro from 'avsc'
import { describe, expect, it } from 'vitest'
import { readOurSchema } from '../../../pipeline/avro/our-schemas.js'
import { claimOf, type Fence, fenceKey } from '../../../pipeline/messages.js'
import { createFenceTable } from '../../../pipeline/swap/fence-table.js'
import { fenceAt } from '../../fixtures/fences.js'

const claim = (worker: string, number: number) =>
  claimOf({ deployment: 'd', topic: 'in', partition: 0, worker }, number, 0)
const partition = { topic: 'in', partition: 0 }

const tableOf = (...fences: Fence[]) => {
  const table = createFenceTable()
  for (const one of fences) table.apply(one)
  return {
    table,
    at: (offset: number) => {
      const { fence, next } = table.at('in', 0, offset)
      return [fence?.generation, next?.offset]
    },
    kept: () => table.all().map(({ generation, offset }) => `${generation} from ${offset}`),
  }
}

describe('a fence table', () => {
  it('knows the generation of an offset and where the next one begins', () => {
    const { at } = tableOf(fenceAt(1, 10), fenceAt(2, 20), fenceAt(5, 30))
    expect([9, 10, 19, 20, 30, 99].map(at)).toEqual([
      [undefined, 10],
      [1, 20],
      [1, 20],
      [2, 30],
      [5, undefined],
      [5, undefined],
    ])
  })

  it('does not mind in which order generations are read', () => {
    expect(tableOf(fenceAt(5, 30), fenceAt(1, 10), fenceAt(2, 20)).at(25)).toEqual([2, 30])
  })

  it('takes the greater generation where two begin at the same offset', () => {
    expect(tableOf(fenceAt(1, 10), fenceAt(2, 10)).at(10)).toEqual([2, undefined])
  })

  it('keeps partitions and topics apart', () => {
    const { table } = tableOf(fenceAt(1, 10), fenceAt(2, 0, { partition: 1 }), fenceAt(3, 0, { topic: 'other' }))
    expect(table.at('in', 0, 50).fence?.generation).toBe(1)
    expect(table.at('in', 2, 50)).toEqual({ fence: undefined, next: undefined })
    expect(table.ofGeneration(3)?.topic).toBe('other')
  })

  it('lets the later of two fences of one generation count, as compaction does', () => {
    expect(tableOf(fenceAt(1, 10), fenceAt(2, 20), fenceAt(1, 5)).kept()).toEqual(['1 from 5', '2 from 20'])
  })

  it('forgets what a tombstone names', () => {
    const { table, at } = tableOf(fenceAt(1, 10), fenceAt(2, 20))
    table.forget(fenceKey(fenceAt(2, 20)))
    expect(at(30)).toEqual([1, undefined])
  })

  it('has everything before the fence of an offset as obsolete from there on', () => {
    const { table } = tableOf(fenceAt(1, 10), fenceAt(2, 20), fenceAt(3, 30))
    expect(table.obsolete('in', 0, 29).map(({ generation }) => generation)).toEqual([1])
    expect(table.obsolete('in', 0, 30).map(({ generation }) => generation)).toEqual([1, 2])
    expect(table.obsolete('in', 0, 9)).toEqual([])
  })

  it('takes a fence for true as soon as it is staged, and the log for what others see', () => {
    const { table, at, kept } = tableOf(fenceAt(1, 10))
    table.stage(fenceAt(2, 20))
    expect([at(25), kept(), table.staged(partition).length]).toEqual([[2, undefined], ['1 from 10'], 1])
    table.apply(fenceAt(2, 20))
    expect([at(25), kept(), table.staged(partition).length]).toEqual([[2, undefined], ['1 from 10', '2 from 20'], 0])
    table.stage(fenceAt(3, 30))
    table.unstage(partition)
    expect(at(35)).toEqual([2, undefined])
  })
})

describe('claims of a partition', () => {
  it('belong to the first that wrote the next number', () => {
    const { table } = tableOf(claim('a', 1), claim('b', 1), claim('c', 2), claim('b', 2))
    expect(table.claim(partition)).toEqual({ worker: 'c', number: 2 })
  })

  it('make fences of anybody else void, and leave those before as they are', () => {
    const { table, kept } = tableOf(claim('a', 1), fenceAt(1, 10, { worker: 'a' }), claim('b', 2))
    expect(table.apply(fenceAt(2, 20, { worker: 'a' }))).toBe(false)
    expect(table.apply(fenceAt(1, 15, { worker: 'a' }))).toBe(false)
    expect(kept()).toEqual(['1 from 10'])
    expect(table.disputed(partition)).toEqual(['d/in/0/2', 'd/in/0/1'])
  })

  it('are not in dispute any more once the owner has said what is true', () => {
    const { table } = tableOf(claim('a', 1), fenceAt(1, 10), fenceAt(2, 20))
    table.apply(fenceAt(1, 8, { worker: 'a' }))
    table.forget('d/in/0/2')
    expect(table.disputed(partition)).toEqual([])
  })
})

it('a reader that knows no claims never meets one: they lie beyond every record, and can be written all the same', () => {
  expect(claim('a', 7)).toMatchObject({ generation: 0, offset: Number.MAX_SAFE_INTEGER - 1 })
  const type = avro.Type.forSchema(readOurSchema('fence') as avro.Schema)
  expect(type.fromBuffer(type.toBuffer(claim('a', 7)))).toMatchObject({ command: 'claim 7' })
})
