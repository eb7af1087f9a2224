/** Any Avro schema with values that fit it, as fast-check makes them. */
import fc from 'fast-check'

export interface Typed {
  readonly schema: unknown
  /** plain values, as `compilePlain` gives them */
  readonly value: fc.Arbitrary<unknown>
}

const primitive = (schema: string, value: fc.Arbitrary<unknown>): fc.Arbitrary<Typed> => fc.constant({ schema, value })

/** -0 is written as 0. */
const whole = (numbers: fc.Arbitrary<number>) => numbers.map((value) => value + 0)
export const int = whole(fc.integer())
/** avsc is wrong about longs from 2^52 on. */
export const long = whole(fc.maxSafeInteger().map((value) => Math.trunc(value / 2)))
const base64 = (length?: number) =>
  fc
    .uint8Array(length === undefined ? { maxLength: 8 } : { minLength: length, maxLength: length })
    .map((bytes) => Buffer.from(bytes).toString('base64'))
export const text = fc.string({ unit: 'grapheme', maxLength: 6 })
export const name = fc.constantFrom('a', 'b', 'c', 'd', 'e')

/** A union needs types that differ: the plain value says which branch it is by what it is. */
const unionOf = (types: readonly Typed[]): Typed => ({
  schema: types.map(({ schema }) => schema),
  value: fc.oneof(...types.map(({ value }) => value)),
})

export const { typed } = fc.letrec<{ typed: Typed; leaf: Typed; record: Typed }>((tie) => ({
  leaf: fc.oneof(
    primitive('null', fc.constant(null)),
    primitive('boolean', fc.boolean()),
    primitive('int', int),
    primitive('long', long),
    primitive('float', fc.float()),
    primitive('double', fc.double()),
    primitive('string', text),
    primitive('bytes', base64()),
    fc.integer({ min: 0, max: 5 }).map((size) => ({ schema: { type: 'fixed', name: '?', size }, value: base64(size) })),
    fc.uniqueArray(name, { minLength: 1 }).map((symbols) => ({
      schema: { type: 'enum', name: '?', symbols },
      value: fc.constantFrom(...symbols),
    })),
  ),
  record: fc.uniqueArray(fc.tuple(name, tie('typed')), { selector: ([one]) => one, maxLength: 4 }).map((fields) => ({
    schema: { type: 'record', name: '?', fields: fields.map(([field, { schema }]) => ({ name: field, type: schema })) },
    value: fc.record(Object.fromEntries(fields.map(([field, { value }]) => [field, value])), { noNullPrototype: true }),
  })),
  typed: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    tie('record'),
    tie('typed').map(({ schema, value }) => ({
      schema: { type: 'array', items: schema },
      value: fc.array(value, { maxLength: 4 }),
    })),
    tie('typed').map(({ schema, value }) => ({
      schema: { type: 'map', values: schema },
      value: fc.dictionary(name, value, { maxKeys: 3, noNullPrototype: true }),
    })),
    fc
      .subarray(
        [
          { schema: 'null', value: fc.constant(null) },
          { schema: 'boolean', value: fc.boolean() },
          { schema: 'double', value: fc.double() },
          { schema: 'string', value: text },
          { schema: { type: 'array', items: 'int' }, value: fc.array(int, { maxLength: 3 }) },
        ],
        { minLength: 1 },
      )
      .map(unionOf),
  ),
}))

/** Named types get a name each. */
export function named(schema: unknown): unknown {
  let count = 0
  const walk = (part: unknown): unknown => {
    if (Array.isArray(part)) return part.map(walk)
    if (typeof part !== 'object' || part === null) return part
    return Object.fromEntries(
      Object.entries(part).map(([key, value]) =>
        key === 'name' && value === '?' ? [key, `Type${count++}`] : [key, key === 'symbols' ? value : walk(value)],
      ),
    )
  }
  return walk(schema)
}
