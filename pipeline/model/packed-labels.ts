/**
 * The labels of a batch on their way from a thread: each different one once, and numbers. A message copies every string in it anew, and a batch
 * has thousands of a few.
 */
export interface PackedLabels {
  readonly names: readonly string[]
  /** of each row, its label in `names` */
  readonly rows: Uint32Array
}

export function packLabels(labels: readonly string[]): PackedLabels {
  const known = new Map<string, number>()
  const rows = new Uint32Array(labels.length)
  for (let row = 0; row < labels.length; row++) {
    const label = labels[row]!
    let index = known.get(label)
    if (index === undefined) {
      index = known.size
      known.set(label, index)
    }
    rows[row] = index
  }
  return { names: [...known.keys()], rows }
}

export function unpackLabels({ names, rows }: PackedLabels): string[] {
  const labels = new Array<string>(rows.length)
  for (let row = 0; row < rows.length; row++) labels[row] = names[rows[row]!]!
  return labels
}
