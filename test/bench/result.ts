/** What a measurement says: one line of the table, and of the JSON beside it. */

export interface Row {
  /** what was measured together: ratios are within it */
  readonly part: string
  readonly name: string
  /** the median of its rounds */
  readonly value: number
  readonly unit: string
  /** of the rounds, where there were several */
  readonly least?: number
  readonly most?: number
  /** `value` against that of another row of the part */
  readonly ratio?: number
  readonly against?: string
  readonly note?: string
}

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[sorted.length >> 1] ?? Number.NaN
}

/** The rounds as one row. */
export const rowOf = (
  part: string,
  name: string,
  rounds: readonly number[],
  unit: string,
  more: Partial<Row> = {},
): Row => ({
  part,
  name,
  value: rounded(median(rounds)),
  unit,
  ...(rounds.length > 1 && { least: rounded(Math.min(...rounds)), most: rounded(Math.max(...rounds)) }),
  ...more,
})

/** The rows with their ratio to the one called `against`. */
export const comparedTo = (against: string, rows: readonly Row[]): Row[] => {
  const base = rows.find(({ name }) => name === against)?.value
  return rows.map((row) => (base === undefined ? row : { ...row, ratio: rounded(row.value / base), against }))
}

/** Four digits say as much as there is to know. */
const rounded = (value: number): number => Number(value.toPrecision(4))

export const text = (value: number): string =>
  Math.abs(value) >= 1_000 ? Math.round(value).toLocaleString('en-US') : String(value)
