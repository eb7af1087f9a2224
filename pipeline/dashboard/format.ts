/** Numbers and times as people read them. */

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 })
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' })
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })

/** 9,999; from there on 12.3K. */
export const count = (value: number): string => (Math.abs(value) < 10_000 ? whole.format(value) : short.format(value))

/** 0.42 ms, 8.1 ms, 120 ms, 2.4 s */
export const duration = (ms: number): string => {
  if (ms === 0) return '0 ms'
  if (ms >= 10_000) return `${whole.format(ms / 1_000)} s`
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)} s`
  if (ms >= 100) return `${whole.format(ms)} ms`
  if (ms >= 10) return `${ms.toFixed(0)} ms`
  return `${ms.toFixed(ms < 1 ? 2 : 1)} ms`
}

export const percent = (share: number, digits = 0): string => `${(share * 100).toFixed(digits)} %`

const isTime = (ms: number): boolean => !Number.isNaN(new Date(ms).getTime())

/** `?` for what is none: anybody may write to a topic. */
export const time = (ms: number): string => (isTime(ms) ? clock.format(ms) : '?')

/** The time, with its day where that is not today. */
export const moment = (ms: number): string =>
  !isTime(ms) || new Date(ms).toDateString() === new Date().toDateString() ? time(ms) : `${day.format(ms)}, ${time(ms)}`

export const bytes = (value: number): string => {
  if (value < 1_000) return `${value} B`
  if (value < 1_000_000) return `${(value / 1_000).toFixed(1)} kB`
  return `${(value / 1_000_000).toFixed(1)} MB`
}

export const shortDigest = (digest: string): string => digest.slice(0, 10)

/** `1 worker`, `2 workers` */
export const plural = (value: number, noun: string): string => `${count(value)} ${noun}${value === 1 ? '' : 's'}`
