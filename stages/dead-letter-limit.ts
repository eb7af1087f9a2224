import { type MonoTypeOperatorFunction, takeWhile } from 'rxjs'
import type { LetterWindow } from './letter-window.js'
import type { Encoded } from './ports.js'

export interface DeadLetterLimitOptions {
  /** of all pipes of this worker: it outlives an assignment */
  readonly window: LetterWindow
  /** Called with the figures, in one line, before the stream completes. */
  readonly onExceeded: (figures: string) => void
}

/**
 * Completes the stream before the batch with which too many records of late were dead letters: nothing of that batch goes further, what went
 * before it drains and is committed, and whoever starts again meets it first.
 *
 * @example
 * encoded.pipe(deadLetterLimit({ window: createLetterWindow({ count: 1_000, share: 0.5, windowSeconds: 60 }), onExceeded }))
 */
export function deadLetterLimit({ window, onExceeded }: DeadLetterLimitOptions): MonoTypeOperatorFunction<Encoded> {
  return takeWhile(({ batch, records, outgoing }) => {
    let letters = 0
    for (const { kind, records } of outgoing) if (kind === 'deadLetter') letters += records.length
    const figures = window.add(batch.scoredAt, records, letters)
    if (figures !== undefined) onExceeded(figures)
    return figures === undefined
  })
}
