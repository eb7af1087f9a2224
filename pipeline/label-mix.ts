/** How labels are distributed, and how many are right where the truth comes along: estimated from a few rows of every batch. */
import type { Scored } from '../stages/ports.js'

export interface LabelMix {
  /** rows that were looked at */
  readonly rows: number
  /** shares of them, most frequent first; what is rare is left out */
  readonly labels: readonly { readonly label: string; readonly share: number }[]
  /** how many of the rows whose truth is known were right; null where none is */
  readonly accuracy: number | null
}

interface Second {
  readonly at: number
  rows: number
  known: number
  right: number
  readonly labels: Map<string, number>
}

const windowMs = 10_000
const rowsPerBatch = 32
const mostLabels = 64

export const createLabelMix = (truth: string | undefined, now: () => number) => {
  const seconds: Second[] = []
  const current = (): Second => {
    const at = Math.floor(now() / 1_000)
    const last = seconds[seconds.length - 1]
    if (last?.at === at) return last
    const begun = { at, rows: 0, known: 0, right: 0, labels: new Map() }
    seconds.push(begun)
    while (seconds[0]!.at < at - windowMs / 1_000) seconds.shift()
    return begun
  }

  return {
    add(batch: Scored): void {
      const { labels } = batch.outputs
      if (!labels || batch.rows === 0) return
      const second = current()
      const step = Math.max(1, Math.floor(batch.rows / rowsPerBatch))
      let first = 0
      let next = 0
      for (const { rows, echo } of batch.parts) {
        for (; next < first + rows.count; next += step) {
          if (batch.failed.has(next)) continue
          const label = labels[next]!
          second.rows++
          if (second.labels.size < mostLabels || second.labels.has(label))
            second.labels.set(label, (second.labels.get(label) ?? 0) + 1)
          const known = truth === undefined ? undefined : echo?.[next - first]?.[truth]
          if (known === undefined || known === '') continue
          second.known++
          if (known === label) second.right++
        }
        first += rows.count
      }
    },
    get current(): LabelMix {
      const since = Math.floor(now() / 1_000) - windowMs / 1_000
      const counts = new Map<string, number>()
      let rows = 0
      let known = 0
      let right = 0
      for (const second of seconds) {
        if (second.at < since) continue
        rows += second.rows
        known += second.known
        right += second.right
        for (const [label, count] of second.labels) counts.set(label, (counts.get(label) ?? 0) + count)
      }
      const labels = [...counts]
        .map(([label, count]) => ({ label: label.slice(0, 80), share: count / rows }))
        .sort((one, other) => other.share - one.share)
        .slice(0, 20)
      return { rows, labels, accuracy: known === 0 ? null : right / known }
    },
  }
}
