/** Points in time as people write them. */
import { InvalidArgumentError } from 'commander'

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `2h` is two hours ago; anything else is a date as ISO 8601 has it. Milliseconds since the epoch. */
export const pointInTime = (text: string, _before?: unknown, now: number = Date.now()): number => {
  const [, number, unit] = /^(\d+)([smhd])$/.exec(text) ?? []
  const time = unit === undefined ? isoTime(text) : now - Number(number) * units[unit]!
  if (Number.isNaN(time))
    throw new InvalidArgumentError('It must be 30m, 2h or 1d, or a date such as 2026-01-31T12:00Z.')
  return time
}

const isoTime = (text: string): number => (/^\d{4}-\d{2}-\d{2}(T|$)/.test(text) ? Date.parse(text) : Number.NaN)
