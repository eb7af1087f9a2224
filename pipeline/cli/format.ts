/** How figures are written for people. */

/** 12,345 */
export const count = (number: number): string => number.toLocaleString('en-US', { maximumFractionDigits: 0 })

/** 950 B, 4.2 KiB, 17 MiB */
export const bytes = (number: number): string => {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let [size, unit] = [number, 0]
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024
    unit += 1
  }
  return `${size < 10 && unit > 0 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`
}

/** 4.2 s, 3 min 12 s, 2 h 5 min */
export const duration = (ms: number): string => {
  const seconds = ms / 1000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** The beginning of a digest, enough to tell two apart. */
export const shortDigest = (digest: string): string => digest.slice(0, 12)

/** 1 record, 2 records */
export const plural = (number: number, one: string, many = `${one}s`): string =>
  `${count(number)} ${number === 1 ? one : many}`

/** Of a share between 0 and 1: 42 % */
export const percent = (share: number): string => `${Math.round(share * 100)} %`

/** Of a ratio where a fraction of a percent matters: 0.042 % */
export const precisePercent = (ratio: number): string => `${Number((ratio * 100).toPrecision(3))} %`

/** To as many digits as tell something; — for what is not known. */
export const milliseconds = (value: number | null): string =>
  value === null ? '—' : value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : count(value)
