import type avro from 'avsc'
import type { Rejected, ScoringPlan } from '../../stages/ports.js'
import type { Column } from './columns.js'
import { type Cursor, Malformed } from './cursor.js'
import type { EchoTarget } from './echo.js'
import { headerBytes } from './framing.js'
import { compileRecord } from './record-steps.js'
import { Mismatch } from './resolve.js'
import { createSlot } from './slot.js'
import { parseType, reasonOf } from './types.js'

/**
 * Reads a framed value, `length` bytes of `memory` from `at` on, into a row of the columns; says why when it cannot. What it then has written
 * of the row means nothing.
 */
export type RowReader = (
  cursor: Cursor,
  memory: Buffer,
  at: number,
  length: number,
  row: number,
) => Rejected | undefined

/** The reader of what one schema wrote, for one plan. A schema that does not resolve rejects every record. */
export function compileRowReader(
  schemaId: number,
  writerSchema: unknown,
  plan: ScoringPlan,
  columns: readonly Column[],
  echoes: readonly EchoTarget[],
): RowReader {
  const refuse = (error: unknown): RowReader => {
    const rejected = { code: 'schema-mismatch', reason: `schema ${schemaId}: ${reasonOf(error)}` } as const
    return () => rejected
  }
  let writer: avro.Type
  try {
    writer = parseType(writerSchema)
  } catch (error) {
    return refuse(error)
  }
  // The reader's schema was checked with its bundle; what it throws is no record's fault.
  const reader = parseType(plan.readerSchema)
  try {
    const read = compileRecord(writer, reader, targetsOf(columns), echoes)
    return (cursor, memory, at, length, row) => {
      try {
        cursor.open(memory, headerBytes, at, length)
        read(cursor, row)
        const left = cursor.end - cursor.at
        return left === 0
          ? undefined
          : { code: 'trailing-bytes', reason: `${left} bytes are left after the last field` }
      } catch (error) {
        if (error instanceof Malformed) return error
        throw error
      }
    }
  } catch (error) {
    if (error instanceof Mismatch) return refuse(error)
    throw error
  }
}

function targetsOf(columns: readonly Column[]) {
  return columns.flatMap((column) => {
    let offset = 0
    return column.input.fields.map((field) => {
      const slot = createSlot(column, field, offset)
      offset += field.width
      return { path: field.field.split('.'), slot }
    })
  })
}
