import avro from 'avsc'
import { MillraceError } from '../../stages/errors.js'
import { refuseInheritedName } from '../schema-names.js'
import { readerType } from './scoring-plan.js'
import type { WriterSchema } from './verify-messages.js'

/**
 * Resolves the reader schema of a bundle against every schema with which its input may have been written (Avro schema resolution). Throws
 * `schema-unresolved`, naming the versions that do not resolve and why the first of them does not.
 */
export function resolveWriters(readerSchema: unknown, writers: readonly WriterSchema[]): number {
  readerType(readerSchema)
  const unresolved = writers.flatMap((writer) => {
    try {
      readerOf(readerSchema, writer)
      return []
    } catch (error) {
      return [{ name: nameOf(writer), reason: (error as Error).message }]
    }
  })
  const [first] = unresolved
  if (first) {
    const names = unresolved.map(({ name }) => name).join(', ')
    throw new MillraceError('schema-unresolved', `${names} of ${writers.length}: ${first.reason}`)
  }
  return writers.length
}

/**
 * Reads what was written by one schema as the reader schema has it. A worker goes by the fields of a record, whatever it is called; avsc goes by
 * its name too, so the reader gets that of the writer as an alias. Throws where they do not resolve.
 */
export function readerOf(readerSchema: unknown, { schema }: WriterSchema): (datum: Buffer) => unknown {
  const writer = avro.Type.forSchema(schema as avro.Schema, { typeHook: refuseInheritedName })
  const { aliases = [], ...reader } = readerSchema as { readonly aliases?: readonly string[] }
  const named = writer.typeName === 'record' && writer.name ? [...aliases, writer.name] : aliases
  const type = readerType({ ...reader, aliases: named })
  const resolver = type.createResolver(writer)
  return (datum) => type.fromBuffer(datum, resolver)
}

const nameOf = ({ id, version }: WriterSchema): string =>
  version === undefined ? `schema id ${id}` : `version ${version} (id ${id})`
