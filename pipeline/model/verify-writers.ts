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
  const type = readerType(readerSchema)
  const unresolved = writers.flatMap((writer) => {
    try {
      type.createResolver(avro.Type.forSchema(writer.schema as avro.Schema, { typeHook: refuseInheritedName }))
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

const nameOf = ({ id, version }: WriterSchema): string =>
  version === undefined ? `schema id ${id}` : `version ${version} (id ${id})`
