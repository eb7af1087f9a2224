/** What is known of a topic that people look at. */
export interface Watched<Sample> {
  /** the last ones, newest first; empty where records are not shown */
  readonly latest: readonly Sample[]
  /** of those that were looked at, how many were of each kind; from so many kinds on, the others are one */
  readonly counts: Readonly<Record<string, number>>
  /** when the first of them was written, in milliseconds since the epoch; null before there is one */
  readonly since: number | null
  /** false where there were more before those that were looked at first */
  readonly whole: boolean
  /** about how many came too fast to be looked at */
  readonly skipped: number
  /** false until what there was as the looking began has been read */
  readonly known: boolean
  /** why they cannot be read now; null when they can */
  readonly trouble: string | null
}

/** Before the looking has begun. */
export const notLookedAt: Watched<never> = {
  latest: [],
  counts: {},
  since: null,
  whole: true,
  skipped: 0,
  known: false,
  trouble: null,
}
