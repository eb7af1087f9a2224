import type avro from 'avsc'
import type { Rows, ScoringPlan } from '../../stages/ports.js'
import { bindRows } from './row-binder.js'
import { readerType } from './scoring-plan.js'

/** Makes rows of records that avsc decoded with the reader schema of the plan. Throws `record-invalid`, naming the field. */
export function recordBinder(plan: ScoringPlan): (records: readonly unknown[]) => Rows {
  const type = readerType(plan.readerSchema)
  return (records) => bindRows(records, plan, (path, symbol) => enumIndex(type, path, symbol))
}

function enumIndex(record: avro.types.RecordType, path: string, symbol: string): number | undefined {
  let type: avro.Type = record
  for (const name of path.split('.')) type = plain((type as avro.types.RecordType).field(name).type)
  if (type.typeName === 'array') type = plain((type as avro.types.ArrayType).itemsType)
  const index = type.typeName === 'enum' ? (type as avro.types.EnumType).symbols.indexOf(symbol) : -1
  return index < 0 ? undefined : index
}

/** The type beside null. */
function plain(type: avro.Type): avro.Type {
  if (!type.typeName.startsWith('union:')) return type
  return (type as avro.types.UnwrappedUnionType).types.find((branch) => branch.typeName !== 'null') ?? type
}
