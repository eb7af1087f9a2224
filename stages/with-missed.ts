import type { Decoded, Missed, Rejected, Rows, TensorData } from './ports.js'
import { sliceRows } from './slice-rows.js'
import { allocate } from './tensor-data.js'

/** The part with some of its records (by index, none of them rejected before) rejected as `Missed` and without their rows. */
export function withMissed(decoded: Decoded, missed: ReadonlyMap<number, Missed>): Decoded {
  if (missed.size === 0) return decoded
  const { records, rejected, rows, echo, generation } = decoded
  const kept: number[] = []
  let row = 0
  for (let i = 0; i < records.length; i++) {
    if (rejected.has(i)) continue
    if (!missed.has(i)) kept.push(row)
    row++
  }
  return {
    ...decoded,
    rejected: new Map<number, Rejected>([...rejected, ...missed]),
    rows: pickRows(rows, kept, generation),
    echo: echo && kept.map((row) => echo[row]!),
  }
}

/** Mostly it is the oldest that are late: what is left is then a piece of the whole, and shares its memory. */
function pickRows(rows: Rows, kept: readonly number[], { plan }: Decoded['generation']): Rows {
  const [first = 0] = kept
  const last = kept.at(-1) ?? -1
  if (last - first + 1 === kept.length) return sliceRows(rows, first, last + 1)
  const columns = rows.columns.map((column, i) => {
    const { type, width } = plan.inputs[i]!
    const picked = allocate(type, kept.length * width)
    for (const [to, from] of kept.entries()) copyRow(column, from * width, picked, to * width, width)
    return picked
  })
  return { count: kept.length, columns }
}

function copyRow(source: TensorData, from: number, target: TensorData, to: number, width: number): void {
  for (let i = 0; i < width; i++) target[to + i] = source[from + i] as never
}
