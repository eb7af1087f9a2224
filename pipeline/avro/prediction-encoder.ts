import type {
  Decoded,
  OutgoingRecord,
  Outputs,
  PredictionEncoder,
  Rejected,
  Scored,
  SourceRecord,
} from '../../stages/ports.js'
import { reply } from '../../stages/record-pool.js'
import { headerBytes, writeHeader } from './framing.js'
import { maxLongBytes, maxTextBytes, writeFloats, writeLong, writeText } from './write.js'

export interface PredictionEncoderOptions {
  /** of `schemas/prediction.avsc` in the registry */
  readonly schemaId: number
  /** Whether a row (counted over the whole batch) missed its soft deadline. Default: none did. */
  readonly late?: (scored: Scored, row: number) => boolean
}

/** Predictions larger than this together are written into several slabs. */
const maxSlabBytes = 2 ** 28

/**
 * Writes the predictions of a part into one slab, field after field as `schemas/prediction.avsc` has them. What is the same in all rows is
 * encoded once, the rest (=) per row:
 *
 *   head    frame, topic, partition
 *   =       offset
 *   model   model, digest, generation
 *   =       label, scores, values, late
 *   time    scoredAt
 *   =       echo
 */
export function createPredictionEncoder({ schemaId, late }: PredictionEncoderOptions): PredictionEncoder {
  return {
    encode(scored, part, firstRow) {
      const { count } = part.rows
      const { outputs, failed } = scored
      const unfit = unfitOutputs(outputs, firstRow + count)
      if (unfit) return new Array<Rejected>(count).fill(unfit)

      const head = headOf(schemaId, part)
      const model = modelOf(part)
      const time = timeOf(scored)
      const names = namesOf(outputs)
      const labels = labelsOf(outputs, firstRow, count)
      const records = scoredRecords(part)
      const sameBytes = head.length + maxLongBytes + model.length + outputBytes(outputs) + 1 + time.length
      const replies: (OutgoingRecord | Rejected)[] = new Array(count)

      function write(slab: Buffer, view: DataView, start: number, index: number): number {
        const row = firstRow + index
        slab.set(head, start)
        let at = writeLong(slab, start + head.length, records[index]!.offset)
        slab.set(model, at)
        at += model.length
        const label = labels[index]!
        slab.set(label, at)
        at = writeScores(slab, view, at + label.length, outputs, row)
        at = writeValues(slab, view, at, outputs, names, row)
        slab[at++] = late?.(scored, row) ? 1 : 0
        slab.set(time, at)
        return writeEcho(slab, at + time.length, part.echo?.[index])
      }

      /** Predictions `[from, to)`, in one slab where that is not too large. */
      function encodeRange(from: number, to: number): void {
        let bytes = (to - from) * sameBytes
        for (let i = from; i < to; i++) bytes += labels[i]!.length + echoBytes(part.echo?.[i])
        if (bytes > maxSlabBytes) {
          if (to - from === 1) {
            replies[from] = notEncodable(`a prediction of ${bytes} bytes`)
            return
          }
          const middle = (from + to) >>> 1
          encodeRange(from, middle)
          encodeRange(middle, to)
          return
        }
        const slab = Buffer.allocUnsafe(bytes)
        const view = new DataView(slab.buffer, slab.byteOffset, bytes)
        let start = 0
        for (let i = from; i < to; i++) {
          const rejected = failed.get(firstRow + i)
          if (rejected) replies[i] = rejected
          else {
            const end = write(slab, view, start, i)
            replies[i] = reply(records[i]!, slab, start, end - start)
            start = end
          }
        }
      }

      if (count > 0) encodeRange(0, count)
      return replies
    },
  }
}

const notEncodable = (reason: string): Rejected => ({ code: 'not-encodable', reason })

/** A scorer that gives fewer numbers than rows would make predictions of whatever lies behind them. */
function unfitOutputs({ labels, scores, scoresWidth, values }: Outputs, rows: number): Rejected | undefined {
  const short = (what: string, has: number, needs: number) =>
    notEncodable(`the model gave ${has} ${what} where ${needs} are needed`)
  if (labels && labels.length < rows) return short('labels', labels.length, rows)
  if (scores.length < rows * scoresWidth) return short('scores', scores.length, rows * scoresWidth)
  for (const [name, { data, width }] of values)
    if (data.length < rows * width) return short(`numbers for ${name}`, data.length, rows * width)
  return undefined
}

function headOf(schemaId: number, { topic, partition }: Decoded): Uint8Array {
  const target = Buffer.allocUnsafe(headerBytes + maxTextBytes(topic) + maxLongBytes)
  const at = writeText(target, writeHeader(target, 0, schemaId), topic)
  return target.subarray(0, writeLong(target, at, partition))
}

function modelOf({ generation: { model, digest, number } }: Decoded): Uint8Array {
  const target = Buffer.allocUnsafe(maxTextBytes(model) + maxTextBytes(digest) + maxLongBytes)
  const at = writeText(target, writeText(target, 0, model), digest)
  return target.subarray(0, writeLong(target, at, number))
}

function timeOf({ scoredAt }: Scored): Uint8Array {
  const target = Buffer.allocUnsafe(maxLongBytes)
  return target.subarray(0, writeLong(target, 0, scoredAt))
}

function namesOf({ values }: Outputs): readonly Uint8Array[] {
  return Array.from(values.keys(), textOf)
}

function textOf(text: string): Uint8Array {
  const target = Buffer.allocUnsafe(maxTextBytes(text))
  return target.subarray(0, writeText(target, 0, text))
}

const noLabel = Uint8Array.of(0)

/** Of each row the branch of the union and the text. Classes repeat, so each is encoded once. */
function labelsOf({ labels }: Outputs, firstRow: number, count: number): readonly Uint8Array[] {
  if (!labels) return new Array<Uint8Array>(count).fill(noLabel)
  const known = new Map<string, Uint8Array>()
  const all = new Array<Uint8Array>(count)
  for (let i = 0; i < count; i++) {
    const label = labels[firstRow + i]!
    let encoded = known.get(label)
    if (!encoded) {
      encoded = Buffer.concat([Uint8Array.of(2), textOf(label)])
      known.set(label, encoded)
    }
    all[i] = encoded
  }
  return all
}

/** One per row. */
function scoredRecords({ records, rejected }: Decoded): readonly SourceRecord[] {
  return rejected.size === 0 ? records : records.filter((_, index) => !rejected.has(index))
}

/** The most that scores and values of one row take. */
function outputBytes({ scoresWidth, values }: Outputs): number {
  const floatsBytes = (width: number) => maxLongBytes + 4 * width + 1
  let bytes = floatsBytes(scoresWidth) + maxLongBytes + 1
  for (const [name, { width }] of values) bytes += maxTextBytes(name) + floatsBytes(width)
  return bytes
}

function writeScores(slab: Buffer, view: DataView, at: number, { scores, scoresWidth }: Outputs, row: number): number {
  return writeFloats(slab, view, at, scores, row * scoresWidth, (row + 1) * scoresWidth)
}

function writeValues(
  slab: Buffer,
  view: DataView,
  start: number,
  { values }: Outputs,
  names: readonly Uint8Array[],
  row: number,
): number {
  let at = start
  if (names.length > 0) {
    at = writeLong(slab, at, names.length)
    let i = 0
    for (const { data, width } of values.values()) {
      const name = names[i++]!
      slab.set(name, at)
      at = writeFloats(slab, view, at + name.length, data, row * width, (row + 1) * width)
    }
  }
  slab[at] = 0
  return at + 1
}

type Echo = Readonly<Record<string, string>> | undefined

function echoBytes(echo: Echo): number {
  if (!echo) return 1
  let bytes = maxLongBytes + 1
  for (const name of Object.keys(echo)) bytes += maxTextBytes(name) + maxTextBytes(echo[name]!)
  return bytes
}

function writeEcho(slab: Buffer, start: number, echo: Echo): number {
  let at = start
  if (echo) {
    const names = Object.keys(echo)
    if (names.length > 0) at = writeLong(slab, at, names.length)
    for (const name of names) at = writeText(slab, writeText(slab, at, name), echo[name]!)
  }
  slab[at] = 0
  return at + 1
}
