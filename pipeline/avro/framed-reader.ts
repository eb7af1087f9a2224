import type avro from 'avsc'
import { BoundedCache } from './bounded-cache.js'
import { compileBounds } from './bounds.js'
import { Cursor, Malformed } from './cursor.js'
import { headerBytes, schemaIdOf } from './framing.js'
import { compilePlain } from './plain.js'
import type { SchemaRegistry } from './registry.js'
import { parseType, reasonOf } from './types.js'

/** Reads values of one writer schema, checked before they are decoded. Throws `Malformed`. */
type Read = (value: Buffer) => unknown

const maxSchemas = 100

/**
 * Reads framed values with the writer's schema from the registry: resolved to `reader`, or without one as plain, JSON-able values of what was
 * written (see `compilePlain`). For the few records of the small topics and of tools; the stream has `createRecordDecoder`. Rejects with
 * `Malformed`, or with the registry's error.
 */
export function createFramedReader(
  registry: Pick<SchemaRegistry, 'known' | 'fetch'>,
  reader?: avro.Type,
): (value: Buffer) => Promise<unknown> {
  const reads = new BoundedCache<number, Read>(maxSchemas)
  return async (value) => {
    const id = schemaIdOf(value)
    if (id === undefined) throw new Malformed('not-framed', `${value.length} bytes without a header`)
    let read = reads.get(id)
    if (!read) {
      const schema = registry.known(id) ?? (await registry.fetch(id))
      if (schema === undefined) throw new Malformed('unknown-schema', `the registry has no schema ${id}`)
      read = compile(id, schema, reader)
      reads.set(id, read)
    }
    return read(value)
  }
}

function compile(id: number, schema: unknown, reader: avro.Type | undefined): Read {
  try {
    const writer = parseType(schema)
    return reader ? readResolved(writer, reader) : readPlain(writer)
  } catch (error) {
    const reason = `schema ${id}: ${reasonOf(error)}`
    return () => {
      throw new Malformed('schema-mismatch', reason)
    }
  }
}

function readPlain(writer: avro.Type): Read {
  const read = compilePlain(writer)
  const cursor = new Cursor()
  return (value) => {
    try {
      cursor.open(value, headerBytes)
      const plain = read(cursor)
      checkEnd(cursor.end - cursor.at)
      return plain
    } finally {
      cursor.close()
    }
  }
}

function readResolved(writer: avro.Type, reader: avro.Type): Read {
  const bounds = compileBounds(writer)
  const resolver = reader.createResolver(writer)
  return (value) => {
    const end = bounds(value, headerBytes)
    if (end instanceof Malformed) throw end
    checkEnd(value.length - end)
    try {
      return reader.decode(value, headerBytes, resolver).value
    } catch (error) {
      throw new Malformed('undecodable', reasonOf(error))
    }
  }
}

function checkEnd(left: number): void {
  if (left > 0) throw new Malformed('trailing-bytes', `${left} bytes are left after the last field`)
}
