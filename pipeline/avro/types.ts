/** avsc's types as this adapter sees them: how a schema is parsed, and what a type is made of. */
import avro from 'avsc'
import { refuseInheritedName } from '../schema-names.js'

export interface Field {
  readonly name: string
  readonly aliases: readonly string[]
  readonly type: avro.Type
  defaultValue(): unknown
}

/**
 * Parses a schema (as parsed JSON). Logical types are read as the type beneath them. Throws avsc's error; a field called `__proto__` is
 * refused, since avsc would set a prototype with it, and no name means what every object has (`constructor`).
 */
export function parseType(schema: unknown, options: Partial<avro.ForSchemaOptions> = {}): avro.Type {
  return avro.Type.forSchema(schema as avro.Schema, {
    ...options,
    typeHook: (part, given) => {
      refuseInheritedName(part)
      const { fields } = part as { fields?: unknown }
      if (Array.isArray(fields) && fields.some((field) => field?.name === '__proto__'))
        throw new Error('a field may not be called __proto__')
      return options.typeHook?.(part, given)
    },
  })
}

export const isRecord = (type: avro.Type): boolean => type.typeName === 'record' || type.typeName === 'error'
export const isUnion = (type: avro.Type): boolean => type.typeName.startsWith('union:')
export const isNull = (type: avro.Type): boolean => type.typeName === 'null'

export const recordFields = (type: avro.Type): readonly Field[] => (type as avro.types.RecordType).fields
export const arrayItems = (type: avro.Type): avro.Type => (type as avro.types.ArrayType).itemsType
export const mapValues = (type: avro.Type): avro.Type => (type as avro.types.MapType).valuesType
export const enumSymbols = (type: avro.Type): readonly string[] => (type as avro.types.EnumType).symbols
/** What stands in for a symbol that the reader does not know. */
export const enumDefault = (type: avro.Type): string | undefined => (type as { default?: string }).default
export const fixedSize = (type: avro.Type): number => (type as avro.types.FixedType).size
export const unionBranches = (type: avro.Type): readonly avro.Type[] => (type as avro.types.UnwrappedUnionType).types

/** One line, for a person. */
export const oneLine = (text: string, max = 400): string => {
  const line = text.replace(/[\p{Cc}\s]+/gu, ' ').trim()
  return line.length > max ? `${line.slice(0, max - 1)}…` : line
}
export const reasonOf = (error: unknown): string => oneLine(error instanceof Error ? error.message : String(error))
