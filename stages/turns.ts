/** How many batches may be with the model at once, seen from the stage that hands them out. One per pipe. */
export interface Turns {
  readonly free: boolean
  take(): void
  /** Tells the listener. */
  give(): void
  /** The one who waits for turns. */
  listen(onGiven: () => void): void
}

export function createTurns(limit: number): Turns {
  let taken = 0
  let listener: () => void = () => undefined
  return {
    get free() {
      return taken < limit
    },
    take() {
      taken++
    },
    give() {
      if (taken === 0) throw new RangeError('no turn was taken')
      taken--
      listener()
    },
    listen(onGiven) {
      listener = onGiven
    },
  }
}
