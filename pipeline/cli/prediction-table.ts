/** Predictions as a table: one that moves on a terminal, lines elsewhere. */
import { createLogUpdate } from 'log-update'
import type { Prediction } from '../messages.js'
import { count } from './format.js'
import type { Colors, Output } from './output.js'

const renderEveryMs = 100
const barWidth = 12
const rateWindowMs = 3_000

export interface PredictionTable {
  add(prediction: Prediction): Promise<void>
  /** Leaves the last state on the screen. */
  close(): void
}

export const createPredictionTable = (output: Output): PredictionTable =>
  output.live ? liveTable(output) : plainTable(output)

const columns = [
  'time'.padEnd(12),
  'partition/offset'.padEnd(16),
  'model'.padEnd(14),
  'gen'.padStart(4),
  'label'.padEnd(12),
  'score',
]

const heading = (colors: Colors): string => colors.dim(columns.join('  '))

const plainTable = (output: Output): PredictionTable => {
  let begun = false
  return {
    add: async (prediction) => {
      if (!begun) await output.write(heading(output.colors))
      begun = true
      await output.write(row(prediction, output.colors))
    },
    close: () => undefined,
  }
}

const liveTable = (output: Output): PredictionTable => {
  const { colors, stdout } = output
  const update = createLogUpdate(stdout as NodeJS.WriteStream)
  const height = () => Math.max(3, Math.min(20, (stdout.rows ?? 24) - 5))
  const shown: Prediction[] = []
  let total = 0
  let arrivals: { at: number; total: number }[] = []

  const render = () => {
    const now = performance.now()
    arrivals = [...arrivals.filter(({ at }) => now - at < rateWindowMs), { at: now, total }]
    const first = arrivals[0]!
    const rate = now > first.at ? ((total - first.total) * 1000) / (now - first.at) : 0
    const last = shown.at(-1)
    const state = last ? `${last.model}, generation ${last.generation}` : 'waiting for predictions'
    update(
      [
        heading(colors),
        ...shown.map((prediction) => row(prediction, colors)),
        '',
        `${colors.bold(count(total))} predictions, ${colors.bold(count(rate))}/s   ${colors.cyan(state)}   ${colors.dim('Ctrl-C ends')}`,
      ].join('\n'),
    )
  }
  const timer = setInterval(render, renderEveryMs)
  render()
  return {
    add: async (prediction) => {
      total += 1
      shown.push(prediction)
      if (shown.length > height()) shown.shift()
    },
    close: () => {
      clearInterval(timer)
      render()
      update.done()
    },
  }
}

const row = (prediction: Prediction, colors: Colors): string => {
  const { partition, offset, model, generation, label, scoredAt, late } = prediction
  const time = new Date(scoredAt).toISOString().slice(11, 23)
  return [
    colors.dim(time),
    `${partition}/${offset}`.padEnd(16),
    colors.cyan(model.padEnd(14)),
    String(generation).padStart(4),
    colors.bold((label ?? '—').padEnd(12)),
    scoreText(prediction, colors) + (late ? colors.red('  late') : ''),
  ].join('  ')
}

/** A classifier's best score, with a bar; what a regressor says. */
const scoreText = ({ label, scores }: Prediction, colors: Colors): string => {
  if (scores.length === 0) return ''
  if (label === null)
    return scores
      .slice(0, 4)
      .map((score) => score.toPrecision(5))
      .join(' ')
  let best = scores[0]!
  for (const score of scores) if (score > best) best = score
  const filled = Math.round(Math.min(1, Math.max(0, best)) * barWidth)
  return `${best.toFixed(3)} ${colors.green('█'.repeat(filled))}${colors.dim('░'.repeat(barWidth - filled))}`
}
