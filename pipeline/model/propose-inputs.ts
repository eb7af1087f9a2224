import { MillraceError } from '../../stages/errors.js'
import type { TensorType } from '../../stages/ports.js'
import { bindableType, type Port } from './onnx.js'

const avroTypes: Readonly<Record<TensorType, string>> = {
  float32: 'float',
  float64: 'double',
  int64: 'long',
  int32: 'int',
  int16: 'int',
  int8: 'int',
  uint8: 'int',
  uint16: 'int',
  bool: 'boolean',
  string: 'string',
}

export interface ProposedInputs {
  /** `inputs` of the manifest */
  readonly inputs: readonly {
    readonly tensor: string
    readonly type: TensorType
    readonly shape: readonly number[]
    readonly fields: readonly string[]
  }[]
  /** fields of the reader schema */
  readonly schemaFields: readonly { readonly name: string; readonly type: unknown }[]
  readonly notes: readonly string[]
}

/**
 * Proposes a reader schema for the inputs of a model. A tensor of one column becomes a scalar field, a wider one an array field, named after
 * the tensor (`features` when it is the only one); with `fieldNames`, every column becomes a scalar field of that name, tensor by tensor.
 * Throws `bundle-invalid` for an input that cannot be bound, `usage` when the names do not fit the columns.
 */
export function proposeInputs(ports: readonly Port[], fieldNames?: readonly string[]): ProposedInputs {
  const notes: string[] = []
  const taken = new Set<string>()
  const fieldName = (wanted: string): string => {
    const name = avroName(wanted, taken)
    if (name !== wanted)
      notes.push(`${JSON.stringify(wanted)} is the field ${name}, for Avro names are letters, digits and _`)
    return name
  }
  const shaped = ports.map((port) => ({
    port,
    type: tensorType(port),
    shape: rowShape(port, ports.length === 1, fieldNames, notes),
  }))
  const widths = shaped.map(({ shape }) => shape.reduce((product, size) => product * size, 1))
  const total = widths.reduce((sum, width) => sum + width, 0)
  if (fieldNames && fieldNames.length !== total)
    throw new MillraceError(
      'usage',
      `${fieldNames.length} field names for ${total} columns of ${ports.map((p) => p.name).join(', ')}`,
    )

  let next = 0
  const schemaFields: { name: string; type: unknown }[] = []
  const inputs = shaped.map(({ port, type, shape }, index) => {
    const width = widths[index]!
    const add = (wanted: string, avroType: unknown): string => {
      const name = fieldName(wanted)
      schemaFields.push({ name, type: avroType })
      return name
    }
    let fields: string[]
    if (fieldNames) fields = fieldNames.slice(next, next + width).map((name) => add(name, avroTypes[type]))
    else if (width === 1) fields = [add(port.name, avroTypes[type])]
    else fields = [add(ports.length === 1 ? 'features' : port.name, { type: 'array', items: avroTypes[type] })]
    next += width
    return { tensor: port.name, type, shape, fields }
  })
  return { inputs, schemaFields, notes }
}

function tensorType(port: Port): TensorType {
  const type = port.kind === 'tensor' ? bindableType(port.element) : undefined
  if (type) return type
  const what = port.kind === 'tensor' ? port.element : `a ${port.kind}`
  throw new MillraceError(
    'bundle-invalid',
    `the input ${port.name} is ${what}; feed it from a preprocess.onnx that casts`,
  )
}

function rowShape(port: Port, alone: boolean, fieldNames: readonly string[] | undefined, notes: string[]): number[] {
  const row = port.dims?.slice(1)
  if (row && !row.includes(null)) return row as number[]
  // One open row of one tensor is as wide as the names that are given for it.
  if (alone && fieldNames && (row === undefined || row.length === 1)) return [fieldNames.length]
  if (row === undefined && fieldNames === undefined) {
    notes.push(`${port.name} declares no shape: bound as one column; correct "shape" and "fields" if it has more`)
    return [1]
  }
  const dims = port.dims?.map((size) => size ?? '?').join(', ') ?? '?'
  throw new MillraceError(
    'bundle-invalid',
    `the input ${port.name} has open dimensions [${dims}]; name its fields, or export it with fixed ones`,
  )
}

/** A valid Avro name that is not among `taken`, to which it is added. */
export function avroName(wanted: string, taken: Set<string> = new Set()): string {
  const base = wanted.replace(/[^A-Za-z0-9_]+/g, '_').replace(/^(?=\d|$)/, '_')
  let name = base
  for (let number = 2; taken.has(name); number++) name = `${base}_${number}`
  taken.add(name)
  return name
}
