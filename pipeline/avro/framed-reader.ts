import type avro from 'avsc'
import { BoundedCache } from './bounded-cache.js'
import { compileBounds } from './bounds.js'
import { Malformed } from './cursor.js'
import { headerBytes, schemaIdOf } from './framing.js'
import type { SchemaRegistry } from './registry.js'
import { parseType, reasonOf } from './types.js'

/** Reads values of one writer schema, checked before they are decoded. Throws `Malformed`. */
type Read = (value: Buffer) => unknown

const maxSchemas = 100

/**
 * Reads any framed value as a plain value: with the writer's schema from the registry, resolved to `reader` or, without one, as it was
 * written. For the few records of the small topics and of tools; the stream has `createRecordDecoder`. Rejects with `Malformed`, or with
 * the registry's error.
 */
export function createFramedReader(
  registry: SchemaRegistry,
  reader?: avro.Type,
  options: Partial<avro.ForSchemaOptions> = {},
): (value: Buffer) => Promise<unknown> {
  const readers = new BoundedCache<number, Read>(maxSchemas)
  return async (value) => {
    const id = schemaIdOf(value)
    if (id === undefined) throw new Malformed('not-framed', `${value.length} bytes without a header`)
    let read = readers.get(id)
    if (!read) {
      const schema = registry.known(id) ?? (await registry.fetch(id))
      if (schema === undefined) throw new Malformed('unknown-schema', `the registry does not know schema ${id}`)
      read = compile(id, schema, reader, options)
      readers.set(id, read)
    }
    return read(value)
  }
}

function compile(
  id: number,
  schema: unknown,
  reader: avro.Type | undefined,
  options: Partial<avro.ForSchemaOptions>,
): Read {
  try {
    const writer = parseType(schema, options)
    const bounds = compileBounds(writer)
    const type = reader ?? writer
    const resolver = reader?.createResolver(writer)
    return (value) => {
      const end = bounds(value, headerBytes)
      if (end instanceof Malformed) throw end
      if (end !== value.length)
        throw new Malformed('trailing-bytes', `${value.length - end} bytes after the last field`)
      try {
        return type.decode(value, headerBytes, resolver).value
      } catch (error) {
        throw new Malformed('undecodable', reasonOf(error))
      }
    }
  } catch (error) {
    const reason = `schema ${id}: ${reasonOf(error)}`
    return () => {
      throw new Malformed('schema-mismatch', reason)
    }
  }
}
