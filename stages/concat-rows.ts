import type { Rows, TensorData } from './ports.js'

const none: Rows = { count: 0, columns: [] }

/**
 * Rows one after the other, column by column. A single part that has rows is handed on as it is, without a copy; of several, the columns are
 * only made when somebody asks for them: whoever copies them anyway takes them from the parts.
 */
export function concatRows(parts: readonly Rows[]): Rows {
  const filled = parts.filter((rows) => rows.count > 0)
  if (filled.length <= 1) return filled[0] ?? none
  return new JoinedRows(filled)
}

/** Of two parts or more, all with rows and of the same tensors. */
export class JoinedRows implements Rows {
  readonly count: number
  private joined: readonly TensorData[] | undefined

  constructor(readonly parts: readonly Rows[]) {
    this.count = parts.reduce((sum, rows) => sum + rows.count, 0)
  }

  get columns(): readonly TensorData[] {
    this.joined ??= this.parts[0]!.columns.map((_, i) => concatColumns(this.parts.map((rows) => rows.columns[i]!)))
    return this.joined
  }
}

/** Columns of one tensor all have the type that the scoring plan gives it. */
function concatColumns(columns: readonly TensorData[]): TensorData {
  const first = columns[0]!
  if (Array.isArray(first)) return first.concat(...(columns.slice(1) as string[][]))
  let length = 0
  for (const column of columns) length += column.length
  const Column = first.constructor as new (length: number) => Exclude<TensorData, string[]>
  const joined = new Column(length)
  let at = 0
  for (const column of columns) {
    // The compiler cannot see that all columns are of one type.
    joined.set(column as never, at)
    at += column.length
  }
  return joined
}
