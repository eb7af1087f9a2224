import type avro from 'avsc'
import { branchOf, compileWalk } from './bounds.js'
import { compilePlain } from './plain.js'
import type { Step } from './resolve.js'
import { type Field, isRecord, isUnion, recordFields, unionBranches } from './types.js'

/** The echoes of the row that is being read. */
export interface EchoRow {
  row: Record<string, string>
}

/** A field of the record as it was written, to be carried along under `name`. */
export interface EchoTarget {
  readonly path: readonly string[]
  readonly name: string
  readonly into: EchoRow
}

export const echoTargets = (names: readonly string[], into: EchoRow): EchoTarget[] =>
  names.map((name) => ({ path: name.split('.'), name, into }))

/** What is asked of a field: strings as they are, anything else as JSON; nothing for null and for fields that are not there. */
export function compileEcho({ name, type }: Field, targets: readonly EchoTarget[]): Step[] {
  return targets
    .filter(({ path }) => path[0] === name)
    .map(({ path, ...rest }) => echoStep(type, { ...rest, path: path.slice(1) }))
}

function echoStep(type: avro.Type, target: EchoTarget): Step {
  if (target.path.length === 0) return valueStep(type, target)
  if (isUnion(type)) {
    const branches = unionBranches(type).map((branch) => echoStep(branch, target))
    return (cursor, row) => branchOf(cursor, branches)(cursor, row)
  }
  if (!isRecord(type)) return compileWalk(type)
  const steps = recordFields(type).map((field) => compileEcho(field, [target])[0] ?? compileWalk(field.type))
  return (cursor, row) => {
    cursor.enter()
    for (const step of steps) step(cursor, row)
    cursor.leave()
  }
}

function valueStep(type: avro.Type, { name, into }: EchoTarget): Step {
  const read = compilePlain(type)
  return (cursor) => {
    const value = read(cursor)
    if (value !== null) into.row[name] = typeof value === 'string' ? value : JSON.stringify(value)
  }
}
