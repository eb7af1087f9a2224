import { readFileSync } from 'node:fs'
import avro from 'avsc'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Cursor } from '../../pipeline/avro/cursor.js'
import { frame } from '../../pipeline/avro/framing.js'
import { createPredictionEncoder } from '../../pipeline/avro/prediction-encoder.js'
import { writeLong } from '../../pipeline/avro/write.js'
import type { Decoded, OutgoingRecord, Outputs, Rejected, Scored } from '../../stages/ports.js'
import { generation, record } from '../fixtures/stage-values.js'

const type = avro.Type.forSchema(JSON.parse(readFileSync('schemas/prediction.avsc', 'utf8')))
const schemaId = 513
const refused: Rejected = { code: 'undecodable', reason: 'bad' }

const text = fc.string({ unit: 'binary', maxLength: 40 })
/** Keys that a plain object keeps in the order in which they are set. */
const name = text.filter((key) => !/^\d+$/.test(key) && key !== '__proto__')
const float = fc.float()
const floats = (length: number) =>
  fc.array(float, { minLength: length, maxLength: length }).map((numbers) => Float32Array.from(numbers))
/** avsc is wrong about longs from 2^52 on. */
const safe = fc.maxSafeNat().map((value) => Math.floor(value / 2))

/** A part of `count` rows that begins at `firstRow` of its batch, with records rejected before and between its rows. */
const parts = fc
  .record({
    firstRow: fc.nat(3),
    count: fc.nat(20),
    width: fc.oneof(fc.nat(3), fc.constant(40)),
    named: fc.uniqueArray(fc.tuple(name, fc.nat(20)), { selector: ([key]) => key, maxLength: 3 }),
  })
  .chain(({ firstRow, count, width, named }) => {
    const rows = firstRow + count
    const all = <T>(one: fc.Arbitrary<T>, length: number) => fc.array(one, { minLength: length, maxLength: length })
    return fc.record({
      firstRow: fc.constant(firstRow),
      count: fc.constant(count),
      scoresWidth: fc.constant(width),
      scores: floats(rows * width),
      labels: fc.option(all(text, rows)),
      values: fc.tuple(...named.map(([key, size]) => floats(rows * size).map((data) => [key, data, size] as const))),
      echo: fc.option(all(fc.dictionary(name, text, { maxKeys: 3, noNullPrototype: true }), count)),
      offsets: all(safe, count),
      rejectedBefore: all(fc.nat(2), count),
      late: all(fc.boolean(), rows),
      topic: text,
      partition: fc.nat(2 ** 31 - 1),
      model: text,
      digest: text,
      number: safe,
      scoredAt: safe,
    })
  })

test('predictions are byte for byte those of avsc', () => {
  fc.assert(
    fc.property(parts, (given) => {
      const { firstRow, count, scoresWidth, scores, labels, echo, topic, partition, scoredAt } = given
      const records = given.offsets.flatMap((offset, i) => [
        ...Array.from({ length: given.rejectedBefore[i]! }, () => record(0)),
        record(offset),
      ])
      const rejected = new Map<number, Rejected>()
      let index = 0
      for (const before of given.rejectedBefore) {
        for (let i = 0; i < before; i++) rejected.set(index++, refused)
        index++
      }
      const by = { ...generation(given.number), model: given.model, digest: given.digest }
      const rows = { count, columns: [] }
      const part: Decoded = {
        ...{ topic, partition, records, rejected, rows, generation: by, start: 0, next: 0, bytes: 0 },
        echo: echo ?? undefined,
      }
      const values = new Map(given.values.map(([key, data, width]) => [key, { data, width }]))
      const outputs: Outputs = { count: firstRow + count, labels, scores, scoresWidth, values }
      const batch = { generation: by, parts: [part], rows: firstRow + count, closedBy: 'records' as const }
      const scored: Scored = { ...batch, outputs, failed: new Map(), scoredAt }

      const encoder = createPredictionEncoder({ schemaId, late: (_, row) => given.late[row]! })
      const expected = given.offsets.map((offset, i) => {
        const row = firstRow + i
        const of = (data: Float32Array, width: number) => [...data.subarray(row * width, (row + 1) * width)]
        return frame(
          schemaId,
          type.toBuffer({
            topic,
            partition,
            offset,
            model: given.model,
            digest: given.digest,
            generation: given.number,
            label: labels ? labels[row] : null,
            scores: of(scores, scoresWidth),
            values: Object.fromEntries(given.values.map(([key, data, width]) => [key, of(data, width)])),
            late: given.late[row],
            scoredAt,
            echo: echo?.[i] ?? {},
          }),
        )
      })
      expect(encoder.encode(scored, part, firstRow).map((reply) => (reply as OutgoingRecord).value)).toEqual(expected)
    }),
  )
})

test('longs are read back as they were written', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      const target = Buffer.alloc(10)
      const cursor = new Cursor()
      cursor.open(target.subarray(0, writeLong(target, 0, value)), 0)
      expect(cursor.bigLong()).toBe(BigInt(value))
      expect(cursor.at).toBe(cursor.end)
    }),
    { examples: [[0], [-1], [63], [64], [-64], [-65], [2 ** 31], [-(2 ** 31) - 1], [2 ** 52 + 1], [-(2 ** 53) + 1]] },
  )
})

describe('rows that cannot be predictions', () => {
  const by = generation(1)
  const records = [record(1), record(2)]
  const part: Decoded = {
    ...{ topic: 't', partition: 0, records, rejected: new Map(), rows: { count: 2, columns: [] }, generation: by },
    ...{ start: 1, next: 3, bytes: 0, echo: undefined },
  }
  const encode = (outputs: Partial<Outputs>, failed = new Map<number, Rejected>()) => {
    const whole = { count: 2, labels: null, scores: new Float32Array(2), scoresWidth: 1, values: new Map(), ...outputs }
    const batch = { generation: by, parts: [part], rows: 2, closedBy: 'records' } as const
    return createPredictionEncoder({ schemaId }).encode({ ...batch, outputs: whole, failed, scoredAt: 1 }, part, 0)
  }

  test.each<[string, Partial<Outputs>]>([
    ['too few labels', { labels: ['a'] }],
    ['too few scores', { scoresWidth: 2 }],
    ['too few values', { values: new Map([['v', { data: new Float32Array(3), width: 2 }]]) }],
  ])('%s: not-encodable', (_, outputs) => {
    expect(encode(outputs).map((value) => (value as Rejected).code)).toEqual(['not-encodable', 'not-encodable'])
  })

  test('a failed row stays what it is, and the other is encoded', () => {
    const [first, second] = encode({}, new Map([[0, refused]]))
    expect(first).toBe(refused)
    expect(type.fromBuffer((second as OutgoingRecord).value!.subarray(5))).toMatchObject({ offset: 2, scores: [0] })
  })
})
