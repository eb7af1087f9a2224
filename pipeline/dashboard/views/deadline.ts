/** How the deadline is kept, where there is one. */
import type { Status } from '../../rest-views.js'
import { h, setText } from '../dom.js'
import { count, duration, percent } from '../format.js'

const stages = [
  ['gather', 'left as it goes to the model'],
  ['infer', 'left as it comes back'],
  ['publish', 'left as the broker has it'],
] as const
const misses = [
  ['admission', 'not scored: it would have been too late'],
  ['inference', 'scored too late'],
  ['publish', 'scored in time, acknowledged too late'],
] as const

export const createDeadline = (panel: HTMLElement, parent: HTMLElement, note: HTMLElement) => {
  const row = (name: string, what: string) => {
    const value = h('td', {}, '–')
    return { value, element: h('tr', {}, h('th', { scope: 'row' }, name), h('td', { class: 'note' }, what), value) }
  }
  const left = stages.map(([name, what]) => row(name, what))
  const missed = misses.map(([name, what]) => row(name, what))
  const rows = [...left, ...missed].map(({ element }) => element)
  parent.append(h('table', { class: 'stage-table' }, h('tbody', {}, ...rows)))
  return ({ deadline }: Status): void => {
    panel.hidden = deadline === null
    if (!deadline) return
    const all = misses.reduce((sum, [name]) => sum + deadline.missed[name], 0)
    const share = percent(deadline.records === 0 ? 0 : all / deadline.records, 1)
    setText(note, `${deadline.class}, ${duration(deadline.ms)}; ${share} missed`)
    stages.forEach(([name], i) => {
      const slack = deadline.slack.find(({ stage }) => stage === name)
      setText(left[i]!.value, slack ? `${duration(slack.p50Ms)}, least ${duration(slack.leastMs)}` : '–')
    })
    misses.forEach(([name], i) => {
      setText(missed[i]!.value, `${count(deadline.missed[name])} records`)
    })
  }
}
