import { MillraceError } from '../../stages/errors.js'

/** What was seen at one place of the samples. */
interface Seen {
  readonly kinds: Set<'null' | 'boolean' | 'number' | 'string' | 'array' | 'object'>
  /** values, null among them, and how many of them were objects */
  count: number
  objects: number
  readonly items: () => Seen
  readonly fields: Map<string, Seen>
}

const avroName = /^[A-Za-z_][A-Za-z0-9_]*$/

/**
 * An Avro schema of JSON objects: numbers are doubles, objects records, fields that are null or missing in some of the samples may be null
 * (null by default). Throws `record-invalid` for samples that no schema of this kind describes: what is no object, a field that is once
 * text and once a number, a name that Avro does not take.
 */
export function inferSchema(name: string, samples: readonly unknown[]): unknown {
  if (samples.length === 0) throw invalid('there are no records to tell a schema from')
  const seen = nothing()
  for (const sample of samples) look(sample, seen)
  if (seen.kinds.size !== 1 || !seen.kinds.has('object')) throw invalid('a record has to be a JSON object')
  return schemaOf(seen, recordName(name), '')
}

function nothing(): Seen {
  let items: Seen | undefined
  return {
    kinds: new Set(),
    count: 0,
    objects: 0,
    items: () => (items ??= nothing()),
    fields: new Map(),
  }
}

function look(value: unknown, seen: Seen): void {
  seen.count++
  if (value === null || value === undefined) seen.kinds.add('null')
  else if (Array.isArray(value)) {
    seen.kinds.add('array')
    for (const item of value) look(item, seen.items())
  } else if (typeof value === 'object') {
    seen.kinds.add('object')
    seen.objects++
    for (const [name, inner] of Object.entries(value)) {
      const field = seen.fields.get(name) ?? nothing()
      seen.fields.set(name, field)
      look(inner, field)
    }
  } else seen.kinds.add(typeof value as 'boolean' | 'number' | 'string')
}

function schemaOf(seen: Seen, name: string, path: string): unknown {
  const kinds = [...seen.kinds].filter((kind) => kind !== 'null')
  if (kinds.length > 1) throw invalid(`${path || 'a record'} is sometimes ${kinds.join(' and sometimes ')}`)
  switch (kinds[0]) {
    case 'number':
      return 'double'
    case 'boolean':
      return 'boolean'
    case 'array': {
      const items = seen.items()
      return { type: 'array', items: items.count === 0 ? 'double' : orNull(items, name, `${path}[]`) }
    }
    case 'object':
      return { type: 'record', name, fields: fieldsOf(seen, name, path) }
    default:
      return 'string'
  }
}

function fieldsOf(seen: Seen, record: string, path: string): unknown[] {
  return Array.from(seen.fields, ([name, field]) => {
    const at = path ? `${path}.${name}` : name
    if (!avroName.test(name)) throw invalid(`${at}: Avro takes letters, digits and _ in a name, and no digit first`)
    // Names of nested records have to differ, so they carry where they stand.
    const inner = `${record}_${name}`
    if (field.count === seen.objects && !field.kinds.has('null')) return { name, type: schemaOf(field, inner, at) }
    return { name, type: ['null', schemaOf(field, inner, at)], default: null }
  })
}

function orNull(seen: Seen, name: string, path: string): unknown {
  const type = schemaOf(seen, name, path)
  return seen.kinds.has('null') ? ['null', type] : type
}

const recordName = (name: string): string => {
  const plain = name.replace(/[^A-Za-z0-9_]+/g, '_')
  return /^[A-Za-z_]/.test(plain) ? plain : `_${plain}`
}

const invalid = (what: string): MillraceError => new MillraceError('record-invalid', what)
