/** Says how far a measurement of many like steps is, and how long the rest will take. */
export interface Progress {
  /** A step begins. */
  begin(what: string): void
  /** It found this. */
  found(what: string): void
}

export const createProgress = (steps: number, say: (line: string) => void): Progress => {
  const began = performance.now()
  let begun = 0
  return {
    begin(what) {
      const spent = performance.now() - began
      const left = begun === 0 ? '' : `, about ${minutes((spent / begun) * (steps - begun))} left`
      say(`[${++begun}/${steps}${left}] ${what}`)
    },
    found: (what) => say(`    ${what}`),
  }
}

const minutes = (ms: number): string => (ms < 60_000 ? `${Math.ceil(ms / 1_000)} s` : `${Math.round(ms / 60_000)} min`)
