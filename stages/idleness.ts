/** Whether anything is being scored: `infer` says so, and `microBatch` listens. One of each pipe. */
export interface Idleness {
  readonly idle: boolean
  /** A call has begun. */
  begin(): void
  /** A call has ended. */
  end(): void
  /** Has `work` done each time the last call has ended. One listener; undefined takes it off. */
  listen(work: (() => void) | undefined): void
  /** Has `work` done when what is being handled has been: what one fetch brought is in by then. */
  soon(work: () => void): void
}

/** `soon` is how work is put off to the end of a turn; `setImmediate` by default. */
export function createIdleness(soon: (work: () => void) => void = setImmediate): Idleness {
  let running = 0
  let listener: (() => void) | undefined
  return {
    get idle() {
      return running === 0
    },
    begin() {
      running++
    },
    end() {
      running--
      if (running === 0) listener?.()
    },
    listen(work) {
      listener = work
    },
    soon,
  }
}
