import type avro from 'avsc'
import { MillraceError } from '../../stages/errors.js'
import { compileWriter, Unfit } from './plain-writer.js'
import { Sink } from './sink.js'
import { coerceText } from './text-values.js'
import { type Field, isRecord, oneLine, parseType, reasonOf, recordFields } from './types.js'

/** Encodes what people have: JSON, and rows of a table. Throws `record-invalid`, naming the field. */
export interface RecordEncoder {
  /** The datum, without a frame, of a plain value (see `compileWriter`). */
  encode(value: unknown): Buffer
  /** The plain value of a row of a table: each column as the type of its field has it. */
  fromText(row: Readonly<Record<string, string>>): Record<string, unknown>
}

/** `schema` is parsed JSON. Throws `record-invalid` when it is no Avro schema. */
export function createRecordEncoder(schema: unknown): RecordEncoder {
  const type = typeOf(schema)
  const write = compileWriter(type)
  const sink = new Sink()
  const fields: readonly Field[] = isRecord(type) ? recordFields(type) : []
  return {
    encode(value) {
      sink.at = 0
      try {
        write(sink, value, '')
      } catch (error) {
        if (error instanceof Unfit) throw invalid(error.message)
        throw error
      }
      return sink.take()
    },
    fromText(row) {
      const values = fields.map(({ name, type }) => [name, coerceText(type, row[name])] as const)
      return Object.fromEntries(values.filter(([, value]) => value !== undefined))
    },
  }
}

function typeOf(schema: unknown): avro.Type {
  try {
    return parseType(schema)
  } catch (cause) {
    throw new MillraceError('record-invalid', `the schema: ${reasonOf(cause)}`, { cause })
  }
}

const invalid = (what: string): MillraceError => new MillraceError('record-invalid', oneLine(what))
