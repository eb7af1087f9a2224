/** Predictions a moment, and which model made most of them: the last half minute, in half seconds. */

export interface Moment {
  readonly predictions: number
  /** that made the newest of them; undefined where there are none */
  readonly model: string | undefined
}

export interface Rates {
  add(model: string, now: number): void
  /** The moments that are over, oldest first; at most `shownMoments`. */
  moments(now: number): readonly Moment[]
  /** per second, over the last two seconds that are over */
  perSecond(now: number): number
}

export const momentMs = 500
export const shownMoments = 60
const momentsOfRate = 4

export const createRates = (): Rates => {
  const moments: { predictions: number; model: string | undefined }[] = []
  /** number of the moment that is last in the list */
  let newest: number | undefined

  const advance = (now: number) => {
    const current = Math.floor(now / momentMs)
    const missed = newest === undefined ? 1 : Math.min(current - newest, shownMoments + 1)
    for (let left = missed; left > 0; left--) moments.push({ predictions: 0, model: undefined })
    newest = Math.max(current, newest ?? current)
    moments.splice(0, moments.length - shownMoments - 1)
  }
  const over = (now: number) => {
    advance(now)
    return moments.slice(0, -1)
  }

  return {
    add(model, now) {
      advance(now)
      const moment = moments[moments.length - 1]!
      moment.predictions += 1
      moment.model = model
    },
    moments: over,
    perSecond(now) {
      const last = over(now).slice(-momentsOfRate)
      const predictions = last.reduce((sum, moment) => sum + moment.predictions, 0)
      return last.length === 0 ? 0 : (predictions * 1000) / (last.length * momentMs)
    },
  }
}
