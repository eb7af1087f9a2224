/** How the deadline is kept, where there is one: how much time was left on the way, and who missed it. */
import type { Status } from '../../rest-views.js'
import { h, setText } from '../dom.js'
import { count, duration, percent } from '../format.js'

const stages = [
  ['gather', 'as it goes to the model'],
  ['infer', 'as it comes back'],
  ['publish', 'as the broker has it'],
] as const
const misses = [
  ['admission', 'not scored: too late before the model'],
  ['inference', 'scored too late'],
  ['publish', 'scored in time, acknowledged too late'],
] as const

/** A table whose first column says what the others count. */
const table = (columns: readonly string[], rows: readonly string[]) => {
  const cells = rows.map(() => columns.slice(1).map(() => h('td', {}, '–')))
  const head = h('tr', {}, ...columns.map((column) => h('th', { scope: 'col' }, column)))
  const body = rows.map((name, i) => h('tr', {}, h('th', { scope: 'row' }, name), ...cells[i]!))
  return { element: h('table', {}, h('thead', {}, head), h('tbody', {}, ...body)), cells }
}

export const createDeadline = (panel: HTMLElement, parent: HTMLElement, note: HTMLElement) => {
  const names = (all: readonly (readonly [string, string])[]) => all.map(([, name]) => name)
  const left = table(['time that is left', 'half have', '99 of 100 have'], names(stages))
  const missed = table(['missed', 'records'], names(misses))
  const standIn = table(['answered in time instead', 'records'], ['fallback'])
  const standInName = standIn.element.querySelector<HTMLElement>('tbody th')!
  parent.append(left.element, missed.element, standIn.element)
  return ({ deadline, fallback }: Status): void => {
    panel.hidden = deadline === null
    if (!deadline) return
    const all = misses.reduce((sum, [name]) => sum + deadline.missed[name], 0)
    const share = percent(deadline.records === 0 ? 0 : all / deadline.records, 1)
    setText(
      note,
      `${deadline.class}, ${duration(deadline.ms)}; ${share} of ${count(deadline.records)} records missed it`,
    )
    stages.forEach(([name], i) => {
      const slack = deadline.slack.find(({ stage }) => stage === name)
      setText(left.cells[i]![0]!, slack ? duration(slack.p50Ms) : '–')
      setText(left.cells[i]![1]!, slack ? duration(slack.leastMs) : '–')
    })
    misses.forEach(([name], i) => {
      setText(missed.cells[i]![0]!, count(deadline.missed[name]))
    })
    standIn.element.hidden = fallback === null
    if (!fallback) return
    setText(standInName, fallback.model)
    setText(standIn.cells[0]![0]!, count(fallback.records))
  }
}
