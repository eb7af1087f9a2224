import avro from 'avsc'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRecordEncoder } from '../../pipeline/avro/record-encoder.js'
import { bindRows } from '../../pipeline/model/row-binder.js'
import type { FieldBinding, Rows, ScoringPlan, TensorData, TensorType } from '../../stages/ports.js'
import { decodeData, input } from '../pipeline/avro/decoder-fixture.js'
import { int, long, text, typed } from './avro-arbitrary.js'

/** One field as it is written and as it is read; without a writer it is read as its default. */
interface Evolved {
  readonly writer: { readonly schema: unknown; readonly value: fc.Arbitrary<unknown> } | undefined
  readonly reader: unknown
  readonly default: unknown
  readonly alias: boolean
  readonly width: number
  readonly tensor: TensorType
  readonly standIn: number | string | boolean | undefined
}

const numbers = {
  int: { written: int, read: ['int', 'long', 'float', 'double'] },
  long: { written: long, read: ['long', 'float', 'double'] },
  float: { written: fc.float(), read: ['float', 'double'] },
  double: { written: fc.double({ min: -3e38, max: 3e38 }), read: ['double'] },
} as const
const tensors: readonly TensorType[] = ['float32', 'float64', 'int64', 'int32', 'uint8']

/** The types of an element: as written, as read, a tensor that it goes into, and what may stand for null. */
const numeric = fc.constantFrom(...(['int', 'long', 'float', 'double'] as const)).chain((written) =>
  fc.record({
    schema: fc.constant<unknown>(written),
    value: fc.constant<fc.Arbitrary<unknown>>(fc.oneof(numbers[written].written, fc.integer({ min: 0, max: 255 }))),
    reader: fc.constantFrom<unknown[]>(...numbers[written].read),
    tensor: fc.constantFrom(...tensors),
    standIn: fc.nat(9),
  }),
)
const boolean = fc.record({
  schema: fc.constant<unknown>('boolean'),
  value: fc.constant<fc.Arbitrary<unknown>>(fc.boolean()),
  reader: fc.constant<unknown>('boolean'),
  tensor: fc.constantFrom<TensorType[]>('bool', 'float32', 'int64'),
  standIn: fc.boolean(),
})
const string = fc.record({
  schema: fc.constant<unknown>('string'),
  value: fc.constant<fc.Arbitrary<unknown>>(text),
  reader: fc.constant<unknown>('string'),
  tensor: fc.constant<TensorType>('string'),
  standIn: text,
})
const symbols = ['A', 'B', 'C', 'D']
const shuffled = fc.shuffledSubarray(symbols, { minLength: 1 })
const enumeration = fc.record({ written: shuffled, read: shuffled, at: fc.nat(3) }).chain(({ written, read, at }) =>
  fc.record({
    schema: fc.constant<unknown>({ type: 'enum', name: '?', symbols: written }),
    value: fc.constant<fc.Arbitrary<unknown>>(fc.constantFrom(...written)),
    reader: fc.constant<unknown>({ type: 'enum', name: '?', symbols: read, default: read[at % read.length] }),
    tensor: fc.constantFrom<TensorType[]>('string', 'int32', 'float32'),
    standIn: fc.constant(undefined),
  }),
)

const element = fc.oneof(numeric, boolean, string, enumeration)

/** An element, or null in the writer only where the reader takes null too: avsc refuses the rest at once. */
const nullable = fc
  .record({ one: element, reads: fc.boolean(), writes: fc.boolean(), second: fc.boolean() })
  .map(({ one: { schema, value, reader, ...rest }, reads, writes, second }) => ({
    ...rest,
    schema: reads && writes ? (second ? [schema, 'null'] : ['null', schema]) : schema,
    value: reads && writes ? fc.option(value, { freq: 3 }) : value,
    reader: reads ? ['null', reader] : reader,
  }))

const scalar: fc.Arbitrary<Evolved> = fc
  .record({ one: nullable, alias: fc.boolean(), absent: fc.boolean(), stands: fc.boolean() })
  .map(({ one: { schema, value, reader, tensor, standIn }, alias, absent, stands }) => ({
    ...{ reader, alias, width: 1, tensor, standIn: stands ? standIn : undefined },
    writer: absent && Array.isArray(reader) ? undefined : { schema, value },
    default: Array.isArray(reader) ? null : undefined,
  }))

const array: fc.Arbitrary<Evolved> = fc
  .record({ one: nullable, alias: fc.boolean(), absent: fc.boolean(), stands: fc.boolean(), width: fc.nat(60) })
  .map(({ one: { schema, value, reader, tensor, standIn }, alias, absent, stands, width }) => {
    const values = fc.array(value, { minLength: width, maxLength: width })
    const others = fc.array(value, { maxLength: width + 2 })
    return {
      ...{ alias, width, tensor, standIn: stands ? standIn : undefined, reader: { type: 'array', items: reader } },
      writer: absent
        ? undefined
        : { schema: { type: 'array', items: schema }, value: fc.oneof({ weight: 9, arbitrary: values }, others) },
      default: [],
    }
  })

interface Case {
  readonly writer: unknown
  readonly reader: unknown
  readonly values: readonly unknown[]
  readonly fields: readonly Evolved[]
  readonly allowNaN: boolean
}

/** Record schemas that evolve from one into the other, some fields of them in a nested record, and values of the first. */
const cases: fc.Arbitrary<Case> = fc
  .record({
    fields: fc.array(fc.oneof({ weight: 3, arbitrary: scalar }, array), { minLength: 1, maxLength: 6 }),
    more: fc.array(typed, { maxLength: 3 }),
    allowNaN: fc.boolean(),
    nestedNull: fc.boolean(),
  })
  .chain(({ fields, more, allowNaN, nestedNull }) => {
    const written = (which: (index: number) => boolean) =>
      fields.flatMap(({ writer, alias }, i) =>
        writer && which(i) ? [{ name: alias ? `old${i}` : `f${i}`, type: writer.schema, value: writer.value }] : [],
      )
    const read = (which: (index: number) => boolean) =>
      fields.flatMap(({ reader, ...field }, i) =>
        which(i)
          ? [
              {
                ...{ name: `f${i}`, type: reader, aliases: [`old${i}`] },
                ...(field.default !== undefined && { default: field.default }),
              },
            ]
          : [],
      )
    const extra = more.map(({ schema, value }, i) => ({ name: `more${i}`, type: schema, value }))
    const recordValue = (of: readonly { name: string; value: fc.Arbitrary<unknown> }[]) =>
      fc.record(Object.fromEntries(of.map(({ name, value }) => [name, value])), { noNullPrototype: true })
    const plain = (of: readonly { name: string; type: unknown }[]) => of.map(({ name, type }) => ({ name, type }))

    return fc
      .shuffledSubarray([...written(isTop), ...extra], { minLength: written(isTop).length + extra.length })
      .chain((top) => {
        const inner = written(isNested)
        const innerType = { type: 'record', name: 'Inner', fields: plain(inner) }
        const innerValue = recordValue(inner)
        const writer = {
          ...{ type: 'record', name: 'Outer' },
          fields: [...plain(top), { name: 'n', type: nestedNull ? ['null', innerType] : innerType }],
        }
        const innerReader = { type: 'record', name: 'Inner', fields: read(isNested) }
        const reader = {
          ...{ type: 'record', name: 'Outer' },
          fields: [{ name: 'n', type: nestedNull ? ['null', innerReader] : innerReader }, ...read(isTop)],
        }
        const n = nestedNull ? fc.option(innerValue, { freq: 3 }) : innerValue
        return fc.record({
          ...{ writer: fc.constant(namesOf(writer)), reader: fc.constant(namesOf(reader)) },
          ...{ fields: fc.constant(fields), allowNaN: fc.constant(allowNaN) },
          values: fc.array(recordValue([...top, { name: 'n', value: n }]), { maxLength: 4 }),
        })
      })
  })
const isNested = (index: number) => index % 3 === 2
const isTop = (index: number) => !isNested(index)

/** Types that match by name are called after their field. */
function namesOf(schema: unknown): unknown {
  let count = 0
  const walk = (part: unknown, place: string): unknown => {
    if (Array.isArray(part)) return part.map((inner) => walk(inner, place))
    if (typeof part !== 'object' || part === null) return part
    const { name } = part as { name?: string }
    const here = name && name !== '?' && 'type' in part && !('fields' in part) ? name.replace('old', 'f') : place
    return Object.fromEntries(
      Object.entries(part).map(([key, value]) => {
        if (key === 'name' && value === '?') return [key, here.startsWith('f') ? `T${here}` : `T${here}x${count++}`]
        return [key, ['symbols', 'default', 'aliases'].includes(key) ? value : walk(value, here)]
      }),
    )
  }
  return walk(schema, '')
}

function planOf({ reader, fields, allowNaN }: Case): ScoringPlan {
  const bindings = new Map<TensorType, FieldBinding[]>()
  for (const [i, { tensor, width, standIn }] of fields.entries()) {
    const binding = {
      field: isNested(i) ? `n.f${i}` : `f${i}`,
      width,
      ...(standIn !== undefined && { default: standIn }),
    }
    bindings.set(tensor, [...(bindings.get(tensor) ?? []), binding])
  }
  return { readerSchema: reader, inputs: Array.from(bindings, ([type, own]) => input(own, { type, allowNaN })) }
}

/** The rows that avsc and the binder of golden cases make, one record at a time; undefined where they refuse. */
function reference(one: Case, plan: ScoringPlan, data: readonly Buffer[]): (Rows | undefined)[] {
  const writer = avro.Type.forSchema(one.writer as avro.Schema)
  const reader = avro.Type.forSchema(one.reader as avro.Schema)
  const resolver = reader.createResolver(writer)
  const enumIndex = (path: string, symbol: string) => {
    const field = one.fields[Number(path.replace(/^.*f/, ''))]
    const found = JSON.stringify(field?.reader).match(/"symbols":(\[[^\]]*\])/)?.[1]
    const index = (JSON.parse(found ?? '[]') as string[]).indexOf(symbol)
    return index < 0 ? undefined : index
  }
  return data.map((datum) => {
    try {
      return bindRows([reader.fromBuffer(datum, resolver)], plan, enumIndex)
    } catch {
      return undefined
    }
  })
}

const elements = (column: TensorData): unknown[] => [...(column as Iterable<unknown>)]

test('records are decoded as avsc resolves them and the binder binds them', () => {
  fc.assert(
    fc.property(cases, (one) => {
      const plan = planOf(one)
      const encoder = createRecordEncoder(one.writer)
      const data = one.values.map((value) => encoder.encode(value))
      const expected = reference(one, plan, data)
      const good = expected.filter((rows) => rows !== undefined)

      const decoded = decodeData(one.writer, plan, data)
      expect([...decoded.rejected.keys()]).toEqual(expected.flatMap((rows, i) => (rows ? [] : [i])))
      expect(decoded.rows.count).toBe(good.length)
      for (const [i, column] of decoded.rows.columns.entries())
        expect(elements(column)).toEqual(good.flatMap((rows) => elements(rows.columns[i]!)))
    }),
    { numRuns: 300 },
  )
})
