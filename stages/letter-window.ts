/** How many of the records of the last while were dead letters. */

export interface LetterLimit {
  /** so many are too many … */
  readonly count: number
  /** … if they are this share of all records: from 0, whatever the share, to 1 */
  readonly share: number
  readonly windowSeconds: number
}

export interface LetterWindow {
  /** What is wrong, in one line, once there are too many; `at` is milliseconds since the epoch, and does not go back. */
  add(at: number, records: number, letters: number): string | undefined
}

/** Exact to a second, in memory of one entry a second. */
export function createLetterWindow({ count, share, windowSeconds }: LetterLimit): LetterWindow {
  const seconds: { readonly second: number; records: number; letters: number }[] = []
  let [allRecords, allLetters] = [0, 0]
  return {
    add(at, records, letters) {
      const second = Math.floor(at / 1000)
      while (seconds.length > 0 && seconds[0]!.second <= second - windowSeconds) {
        const old = seconds.shift()!
        allRecords -= old.records
        allLetters -= old.letters
      }
      const last = seconds[seconds.length - 1]
      if (last?.second === second) {
        last.records += records
        last.letters += letters
      } else seconds.push({ second, records, letters })
      allRecords += records
      allLetters += letters
      const tooMany = letters > 0 && allLetters >= count && allLetters >= share * allRecords
      return tooMany ? `${allLetters} of ${allRecords} records within ${windowSeconds} s` : undefined
    },
  }
}
