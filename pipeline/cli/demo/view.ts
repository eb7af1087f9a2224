/** What the demo shows while it runs, as a pure function of what it knows. */
import { stripVTControlCharacters } from 'node:util'
import { count } from '../format.js'
import type { Colors } from '../output.js'
import { digitColumns, digitLines } from './digit.js'
import type { Judged } from './judge.js'
import type { Percentiles } from './latencies.js'
import { type Moment, momentMs } from './rates.js'
import { sparkBar } from './sparkline.js'

export interface Snapshot {
  readonly elapsedMs: number
  readonly deployment: string
  /** address of the page that a worker serves, with what it takes to change something there */
  readonly page?: string
  readonly workers: readonly { readonly id: string; readonly residentBytes?: number }[]
  /** in the order in which they take turns; the colour of a model comes from its place */
  readonly models: readonly string[]
  /** of the newest prediction of every partition */
  readonly partitions: readonly ({ readonly model: string; readonly generation: number } | undefined)[]
  /** the model that was asked for and is not on every partition yet */
  readonly switchingTo?: string
  /** records per second that are sent */
  readonly wantedRate: number
  readonly rate: number
  readonly moments: readonly Moment[]
  readonly latency: Percentiles | undefined
  readonly lag: number
  readonly predictions: number
  readonly recent: { readonly predictions: number; readonly right: number }
  readonly accuracy: readonly { readonly model: string; readonly predictions: number; readonly right: number }[]
  /** newest first */
  readonly scans: readonly Judged[]
  readonly mistake: Judged | undefined
  /** oldest first */
  readonly events: readonly { readonly elapsedMs: number; readonly text: string }[]
}

export interface ViewOptions {
  readonly colors: Colors
  readonly columns: number
  readonly rows: number
}

/** Lines above the events; the cursor needs one more, below them. */
const linesAboveEvents = 21
const mostEvents = 8
const tileGap = 3

export const view = (state: Snapshot, { colors, columns, rows }: ViewOptions): string[] => {
  const name = (text: string) => colors.dim(text.padEnd(10))
  const events = state.events.slice(-Math.max(1, Math.min(mostEvents, rows - linesAboveEvents - 1)))
  return [
    title(state, colors),
    state.page === undefined ? '' : name('page') + colors.underline(state.page),
    name('model') + model(state, colors),
    name('rate') + rate(state, colors, columns),
    name('latency') + latency(state, colors),
    name('lag') + lag(state),
    name('accuracy') + accuracy(state, colors),
    name('workers') + workers(state),
    '',
    ...tiles(state, colors, columns),
    '',
    ...events.map(({ elapsedMs, text }) => `${colors.dim(`${seconds(elapsedMs).padStart(7)} s`)}  ${text}`),
  ].map((line) => within(line, columns))
}

/** A line that would wrap is cut, and loses its colours: rare enough. */
const within = (line: string, columns: number): string => {
  const plain = stripVTControlCharacters(line)
  return plain.length <= columns ? line : `${plain.slice(0, columns - 1)}…`
}

const title = ({ deployment, elapsedMs }: Snapshot, colors: Colors): string =>
  [
    colors.bold('millrace demo'),
    colors.dim(`deployment ${deployment}`),
    `${seconds(elapsedMs)} s`,
    colors.dim('Ctrl-C ends'),
  ].join('   ')

/** The model, its generation, and a square for every partition in the colour of the model that scores it. */
const model = ({ partitions, models, switchingTo }: Snapshot, colors: Colors): string => {
  const known = partitions.filter((one) => one !== undefined)
  if (known.length === 0) return 'waiting for the first prediction'
  const newest = known.reduce((one, other) => (other.generation > one.generation ? other : one))
  const squares = partitions.map((one) => (one ? paint(one.model, models, colors)('■') : '□')).join(' ')
  return [
    colors.bold(paint(newest.model, models, colors)(newest.model)),
    `generation ${newest.generation}`,
    `partitions ${squares}`,
    ...(switchingTo === undefined ? [] : [colors.yellow(`switching to ${switchingTo} …`)]),
  ].join('  ')
}

const rate = ({ rate, wantedRate, moments, models }: Snapshot, colors: Colors, columns: number): string => {
  // A steady stream stands at three quarters of the height.
  const highest = (wantedRate * momentMs) / 1000 / 0.75
  const bars = moments
    .slice(-Math.max(10, Math.min(moments.length, columns - 24)))
    .map((moment) => paint(moment.model, models, colors)(sparkBar(moment.predictions, highest)))
  return `${`${count(rate)}/s`.padEnd(10)}${bars.join('')}`
}

const latency = ({ latency }: Snapshot, colors: Colors): string =>
  latency === undefined
    ? '—'
    : `p50 ${colors.bold(milliseconds(latency.p50))}   p99 ${colors.bold(milliseconds(latency.p99))}   ${colors.dim('from the record’s timestamp to here')}`

const lag = ({ lag, predictions }: Snapshot): string =>
  `${count(lag)} without a prediction yet, ${count(predictions)} predictions so far`

const accuracy = ({ recent, accuracy, models }: Snapshot, colors: Colors): string => {
  if (recent.predictions === 0) return '—'
  const all = accuracy.map((one) => `${paint(one.model, models, colors)(one.model)} ${percent(one)}`)
  return `last ${recent.predictions}: ${colors.bold(percent(recent))}   ${all.join('  ')}`
}

const workers = ({ workers }: Snapshot): string =>
  workers
    .map(({ id, residentBytes }) =>
      residentBytes === undefined ? id : `${id} (${count(residentBytes / 1_000_000)} MB)`,
    )
    .join('   ')

/** The newest scans side by side, and the last that was misread, each above what was made of it. */
const tiles = ({ scans, mistake, models }: Snapshot, colors: Colors, columns: number): string[] => {
  const room = Math.max(1, Math.floor((columns + tileGap) / (digitColumns + tileGap)))
  const shown = [...scans.slice(0, Math.max(1, room - 1)), ...(mistake && room > 1 ? [mistake] : [])]
  const drawn = shown.map((judged) => tile(judged, judged === mistake, models, colors))
  const height = drawn[0]?.length ?? 11
  return Array.from({ length: height }, (_, line) =>
    drawn
      .map((lines) => lines[line]!)
      .join(' '.repeat(tileGap))
      .trimEnd(),
  )
}

const tile = (judged: Judged, isMistake: boolean, models: readonly string[], colors: Colors): string[] => {
  const { scan, label, score, partition, offset, model } = judged
  const right = label === scan.label
  const verdict = right ? `says ${label} ✓ ${(score * 100).toFixed(0)} %` : `says ${label}, is ${scan.label} ✗`
  const head = isMistake ? 'last mistake' : `${partition} / ${offset}`
  return [
    colors.dim(head.padEnd(digitColumns)),
    ...digitLines(scan.pixels),
    (right ? colors.green : colors.red)(verdict.padEnd(digitColumns)),
    paint(model, models, colors)(model.padEnd(digitColumns)),
  ]
}

/** A colour for each model, so that a switch can be seen moving along. */
export const paint = (model: string | undefined, models: readonly string[], colors: Colors) => {
  const paints = [colors.cyan, colors.magenta, colors.yellow, colors.green, colors.blue]
  const place = model === undefined ? -1 : models.indexOf(model)
  return place < 0 ? (text: string) => text : paints[place % paints.length]!
}

export const seconds = (ms: number): string => (ms / 1000).toFixed(1)
export const milliseconds = (ms: number): string => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
export const percent = ({ predictions, right }: { predictions: number; right: number }): string =>
  predictions === 0 ? '—' : `${((100 * right) / predictions).toFixed(1)} %`
