import avro from 'avsc'
import { MillraceError } from '../../stages/errors.js'
import type { FieldBinding, ScoringPlan, TensorPlan, TensorType } from '../../stages/ports.js'
import { refuseInheritedName } from '../schema-names.js'
import { type Manifest, type ManifestInput, manifestError, rowWidth } from './manifest.js'

type Draft = Pick<Manifest, 'inputs'>
type Field = ManifestInput['fields'][number]

const numeric: ReadonlySet<string> = new Set(['int', 'long', 'float', 'double', 'boolean', 'enum'])
const text: ReadonlySet<string> = new Set(['string', 'enum'])

/**
 * Binds the fields of a reader schema (Avro, as parsed JSON) to the columns of the input tensors. A scalar field is one column; an array
 * field takes its `width`, or, when it is the only array of its tensor without one, the columns that are left.
 * Throws `bundle-invalid` for a field that the schema lacks, a type that does not fit its tensor, widths that do not add up.
 */
export function toScoringPlan(manifest: Draft, readerSchema: unknown): ScoringPlan {
  const record = readerType(readerSchema)
  const inputs = manifest.inputs.map((input, index) => tensorPlan(input, record, `inputs[${index}]`))
  return Object.freeze({ readerSchema, inputs: Object.freeze(inputs) })
}

/** The Avro type of `input.avsc`. Throws `bundle-invalid` when it is not a record schema. */
export function readerType(readerSchema: unknown): avro.types.RecordType {
  let type: avro.Type
  try {
    type = avro.Type.forSchema(readerSchema as avro.Schema, { typeHook: refuseInheritedName })
  } catch (cause) {
    throw schemaError(`not an Avro schema: ${(cause as Error).message}`, cause)
  }
  if (type.typeName !== 'record') throw schemaError(`the schema of a record is needed, this is ${type.typeName}`)
  return type as avro.types.RecordType
}

function tensorPlan(input: ManifestInput, record: avro.types.RecordType, path: string): TensorPlan {
  const width = rowWidth(input.shape)
  const types = input.fields.map((field) => fieldType(record, field.field, path))
  const open = input.fields.filter((field, index) => types[index]?.array && field.width === undefined)
  if (open.length > 1)
    throw manifestError(
      `${path}.fields: give each of the arrays ${open.map((field) => field.field).join(', ')} a width`,
    )
  const stated = input.fields.reduce((sum, field) => sum + (open.includes(field) ? 0 : (field.width ?? 1)), 0)
  const rest = width - stated
  if (open.length === 1 ? rest < 1 : rest !== 0)
    throw manifestError(`${path}.fields: ${stated} columns for a row of ${width} (shape [${input.shape}])`)

  const fields = input.fields.map((field, index): FieldBinding => {
    const { array, element } = types[index]!
    const at = `${path}.fields[${index}]`
    const fits = input.type === 'string' ? text : numeric
    if (!fits.has(element))
      throw manifestError(
        `${at}: ${field.field} is ${array ? 'an array of ' : ''}${element}, the tensor is ${input.type}`,
      )
    if (!array && field.width !== undefined && field.width !== 1)
      throw manifestError(`${at}.width: ${field.field} is one ${element}, not an array`)
    const binding = { field: field.field, width: open.includes(field) ? rest : (field.width ?? 1) }
    return Object.freeze(
      field.default === undefined ? binding : { ...binding, default: standIn(field, input.type, input.allowNaN, at) },
    )
  })
  const { tensor, type, shape, allowNaN } = input
  return Object.freeze({
    tensor,
    type,
    shape: Object.freeze([...shape]),
    width,
    fields: Object.freeze(fields),
    allowNaN,
  })
}

/** A default as the tensor holds it. JSON cannot write NaN, the usual mark of a missing value, so the string "NaN" stands for it. */
function standIn(field: Field, type: TensorType, allowNaN: boolean, at: string): number | boolean | string {
  const value = field.default!
  if (type === 'string' ? typeof value === 'string' : typeof value !== 'string') {
    if (typeof value === 'number' && !type.startsWith('float') && !Number.isInteger(value))
      throw manifestError(`${at}.default: ${value} is not a whole number, the tensor is ${type}`)
    return value
  }
  if (value === 'NaN' && type.startsWith('float')) {
    if (!allowNaN) throw manifestError(`${at}.default: NaN needs allowNaN`)
    return Number.NaN
  }
  throw manifestError(`${at}.default: ${JSON.stringify(value)} does not fit a tensor of ${type}`)
}

/** Follows a dotted path through nested records and optional (null) unions. */
function fieldType(record: avro.types.RecordType, path: string, at: string): { array: boolean; element: string } {
  let type: avro.Type = record
  for (const name of path.split('.')) {
    const field = type.typeName === 'record' ? (type as avro.types.RecordType).field(name) : undefined
    if (!field) throw manifestError(`${at}.fields: input.avsc has no field ${path}`)
    type = present(field.type, path, at)
  }
  if (type.typeName !== 'array') return { array: false, element: plainName(type) }
  return { array: true, element: plainName(present((type as avro.types.ArrayType).itemsType, path, at)) }
}

function present(type: avro.Type, path: string, at: string): avro.Type {
  if (!type.typeName.startsWith('union:')) return type
  const branches = (type as avro.types.UnwrappedUnionType).types.filter((branch) => branch.typeName !== 'null')
  if (branches.length !== 1)
    throw manifestError(
      `${at}.fields: ${path} is a union of ${branches.length} types; only null and one other can be bound`,
    )
  return branches[0]!
}

// With logical types a type is named `logical:…`; what is on the wire is what counts.
const plainName = (type: avro.Type): string =>
  type.typeName.startsWith('logical:')
    ? (type as avro.types.LogicalType).underlyingType.typeName
    : type.typeName.replace(/^abstract:/, '')

const schemaError = (what: string, cause?: unknown): MillraceError =>
  new MillraceError('bundle-invalid', `input.avsc: ${what.replace(/\p{Cc}+/gu, ' ')}`, { cause })
