import type avro from 'avsc'
import { compileWalk } from './bounds.js'
import type { Cursor } from './cursor.js'
import { compileEcho, type EchoTarget } from './echo.js'
import { compileDefault, compileField, missingStep } from './field.js'
import { Mismatch, resolveUnions, type Step } from './resolve.js'
import type { Slot } from './slot.js'
import { type Field, isRecord, recordFields } from './types.js'

/** A slot, and the way to its field from where one stands; no way is left when one stands at the field. */
export interface Target {
  readonly path: readonly string[]
  readonly slot: Slot
}

/**
 * Reads a record that `writer` wrote into the slots, as `reader` reads it: fields by name or alias in any order, with the reader's default
 * where the writer has none, promoted where types differ, skipped where nobody asks. Names of records are not compared: what the model needs
 * is fields, and a bundle's schema has a name of its own. Throws `Mismatch` for a field that the writer lacks and that has no default.
 */
export function compileRecord(
  writer: avro.Type,
  reader: avro.Type,
  targets: readonly Target[],
  echoes: readonly EchoTarget[] = [],
): Step {
  const missing = targets.map(({ slot }) => missingStep(slot))
  return resolveUnions(writer, reader, inTurn(missing), (from, to) => {
    if (!isRecord(from) || !isRecord(to)) throw new Mismatch(`${from.typeName} cannot be read as ${to.typeName}`)
    return fieldsStep(from, to, targets, echoes)
  })
}

function fieldsStep(
  writer: avro.Type,
  reader: avro.Type,
  targets: readonly Target[],
  echoes: readonly EchoTarget[],
): Step {
  const readings = new Map<Field, Step[]>(recordFields(writer).map((field) => [field, []]))
  const defaults: Step[] = []
  for (const field of recordFields(reader)) {
    const own = targets
      .filter(({ path }) => path[0] === field.name)
      .map(({ path, slot }) => ({ path: path.slice(1), slot }))
    const written = match(field, writer)
    if (written) readings.get(written)?.push(...valueSteps(written.type, field.type, own))
    else defaults.push(...defaultSteps(field, own))
  }
  for (const [field, steps] of readings) steps.push(...compileEcho(field, echoes))
  const steps = [...defaults, ...Array.from(readings, ([field, consumers]) => fromStart(consumers, field.type))]
  const all = inTurn(steps)
  return (cursor, row) => {
    cursor.enter()
    all(cursor, row)
    cursor.leave()
  }
}

/** The writer's field that has the name of the reader's, or one of its aliases. */
function match({ name, aliases }: Field, writer: avro.Type): Field | undefined {
  const names = new Set([name, ...aliases])
  const matches = recordFields(writer).filter((field) => names.has(field.name))
  if (matches.length > 1) throw new Mismatch(`several fields could be ${name}: ${matches.map((field) => field.name)}`)
  return matches[0]
}

function valueSteps(writer: avro.Type, reader: avro.Type, targets: readonly Target[]): Step[] {
  const nested = targets.filter(({ path }) => path.length > 0)
  const here = targets.filter(({ path }) => path.length === 0).map(({ slot }) => compileField(writer, reader, slot))
  return nested.length > 0 ? [...here, compileRecord(writer, reader, nested)] : here
}

function defaultSteps(field: Field, targets: readonly Target[]): Step[] {
  const value = field.defaultValue()
  if (value === undefined) throw new Mismatch(`there is no field ${field.name}, and it has no default`)
  return targets.map(({ path, slot }) => {
    const inner = path.reduce<unknown>((at, name) => (at as Record<string, unknown> | null)?.[name], value)
    return compileDefault(inner, path.reduce(fieldType, field.type), slot)
  })
}

/** The type of a field of a record, which may be the branch of a union. */
function fieldType(type: avro.Type, name: string): avro.Type {
  const branches = (type as Partial<avro.types.UnwrappedUnionType>).types ?? [type]
  const field = branches
    .filter(isRecord)
    .flatMap(recordFields)
    .find((one) => one.name === name)
  if (!field) throw new Mismatch(`the model reads ${name}, which its own schema does not have`)
  return field.type
}

const inTurn = (steps: readonly Step[]): Step => {
  const [only] = steps
  if (only && steps.length === 1) return only
  return (cursor, row) => {
    for (let i = 0; i < steps.length; i++) steps[i]!(cursor, row)
  }
}

/** All consumers of a field read the same bytes; without one they are passed over. */
function fromStart(consumers: readonly Step[], type: avro.Type): Step {
  if (consumers.length === 0) return compileWalk(type)
  if (consumers.length === 1) return consumers[0]!
  return (cursor: Cursor, row) => {
    const { at } = cursor
    for (const consumer of consumers) {
      cursor.at = at
      consumer(cursor, row)
    }
  }
}
