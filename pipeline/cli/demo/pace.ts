/** How many records are due, for a steady rate: what fell behind for longer than a moment is let go rather than made up for in a burst. */

const longestMs = 200

/** Call it again and again with the time in milliseconds, on a clock that never jumps. */
export const createPace = (perSecond: number, begunAt: number): ((now: number) => number) => {
  // The next one may be due already when the moment begins.
  const longest = longestMs + 1_000 / perSecond
  let from = begunAt
  return (now) => {
    from = Math.max(from, now - longest)
    const due = Math.floor(((now - from) * perSecond) / 1000)
    from += (due * 1000) / perSecond
    return due
  }
}
