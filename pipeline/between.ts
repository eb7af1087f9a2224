/** What something costs for so many rows, from what it costs for some numbers of rows, ascending. */

type Known<Column extends string> = Readonly<Record<'rows' | Column, number>>

/** A line through the two neighbours; one point is taken for a fixed cost below it and a cost per row above. 0 where nothing is known. */
export function between<Column extends string>(table: readonly Known<Column>[], rows: number, column: Column): number {
  const [first] = table
  if (!first) return 0
  if (rows <= first.rows) return first[column]
  const after = table.findIndex((row) => row.rows >= rows)
  if (after > 0) return onLine(table[after - 1]!, table[after]!, rows, column)
  return table.length === 1
    ? (first[column] * rows) / first.rows
    : onLine(table[table.length - 2]!, table[table.length - 1]!, rows, column)
}

function onLine<Column extends string>(low: Known<Column>, high: Known<Column>, rows: number, column: Column): number {
  return low[column] + ((high[column] - low[column]) * (rows - low.rows)) / (high.rows - low.rows)
}
