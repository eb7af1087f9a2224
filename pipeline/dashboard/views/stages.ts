/** The time of an average batch, stage by stage. */
import type { FlowFrame } from '../../flow-history.js'
import { h, setText } from '../dom.js'
import { duration } from '../format.js'

const stages = [
  ['decode', 'Avro to tensors'],
  ['gather', 'waiting to be a batch'],
  ['infer', 'the model, and its queue'],
  ['encode', 'predictions to Avro'],
  ['publish', 'the broker, and its queue'],
] as const

export const createStages = (parent: HTMLElement, note: HTMLElement) => {
  const bar = h(
    'div',
    { class: 'stage-bar', 'aria-hidden': 'true' },
    ...stages.map(([name]) => h('i', { class: name })),
  )
  const values = stages.map(() => h('td', {}, '–'))
  parent.append(
    bar,
    h(
      'table',
      { class: 'stage-table' },
      h(
        'tbody',
        {},
        ...stages.map(([name, what], i) =>
          h(
            'tr',
            {},
            h('th', { scope: 'row' }, h('i', { class: name, 'aria-hidden': 'true' }), name),
            h('td', { class: 'note' }, what),
            values[i]!,
          ),
        ),
      ),
    ),
  )
  return (frames: readonly FlowFrame[]): void => {
    const latest = frames.slice(-10)
    const means = stages.map(([name]) => {
      const known = latest.flatMap((frame) => frame.stages[name] ?? [])
      return known.length === 0 ? undefined : known.reduce((sum, ms) => sum + ms, 0) / known.length
    })
    const total = means.reduce<number>((sum, ms) => sum + (ms ?? 0), 0)
    means.forEach((ms, i) => {
      ;(bar.children[i] as HTMLElement).style.flexGrow = String(total === 0 ? 1 : Math.max(0.004, (ms ?? 0) / total))
      setText(values[i]!, ms === undefined ? '–' : duration(ms))
    })
    setText(note, total === 0 ? 'no batches lately' : `${duration(total)} a batch`)
  }
}
