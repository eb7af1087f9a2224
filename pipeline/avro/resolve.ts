/** How what was written is read where both sides have unions: the part of Avro's schema resolution that all values share. */
import type avro from 'avsc'
import { branchOf } from './bounds.js'
import { type Cursor, Malformed } from './cursor.js'
import { isNull, isUnion, reasonOf, unionBranches } from './types.js'

/** Reads one value and puts it at `at`: a row, or an element of a column. Throws `Malformed`. */
export type Step = (cursor: Cursor, at: number) => void

/** A writer's type that cannot be read as the reader's. */
export class Mismatch extends Error {
  override readonly name = 'Mismatch'
}

/**
 * Reads `writer` as `reader`, both of them possibly unions; `compile` is asked for branches that are neither unions nor null. Null goes to
 * `missing`, whether the reader takes null or not: it is the binding that says what stands in for it. A branch that does not resolve is
 * refused when it comes, since the schema alone does not say that it ever will. Throws `Mismatch` when no branch resolves.
 */
export function resolveUnions(
  writer: avro.Type,
  reader: avro.Type,
  missing: Step,
  compile: (writer: avro.Type, reader: avro.Type) => Step,
): Step {
  if (isNull(writer)) return missing
  if (isUnion(writer)) return resolveBranches(unionBranches(writer), reader, missing, compile)
  if (!isUnion(reader)) return compile(writer, reader)
  let reason = `${writer.typeName} is not among what is read`
  for (const branch of unionBranches(reader)) {
    if (isNull(branch)) continue
    try {
      return compile(writer, branch)
    } catch (error) {
      if (!(error instanceof Mismatch)) throw error
      reason = error.message
    }
  }
  throw new Mismatch(reason)
}

function resolveBranches(
  branches: readonly avro.Type[],
  reader: avro.Type,
  missing: Step,
  compile: (writer: avro.Type, reader: avro.Type) => Step,
): Step {
  let refused: Mismatch | undefined
  let resolved = 0
  const steps = branches.map((branch): Step => {
    try {
      const step = resolveUnions(branch, reader, missing, compile)
      if (!isNull(branch)) resolved++
      return step
    } catch (error) {
      if (!(error instanceof Mismatch)) throw error
      refused = error
      const malformed = new Malformed('schema-mismatch', reasonOf(error))
      return () => {
        throw malformed
      }
    }
  })
  if (refused && resolved === 0) throw refused
  return (cursor, at) => branchOf(cursor, steps)(cursor, at)
}
