/** What happened to models and workers, newest first. */
import type { GroupEvent } from '../../group-view.js'
import { h, keyedList } from '../dom.js'
import { time } from '../format.js'

const shown = 30
/** Steps on the way, which the switch shows already. */
const quiet = new Set(['loading', 'verifying', 'draining', 'released', 'fenced'])

/** What is longer than two lines is opened by whoever wants to read it. */
const reasonOf = (why: string): HTMLElement =>
  why.length <= 90
    ? h('span', { class: 'note' }, why)
    : h('details', {}, h('summary', { class: 'note', title: why }, why))

export const createEvents = (parent: HTMLElement) => {
  let kept: GroupEvent[] = []
  const rows = keyedList<GroupEvent>(
    parent,
    ({ offset }) => String(offset),
    ({ type, worker, model, generation, reason, code, at }) => {
      const what = [model, generation === null ? '' : `g${generation}`].filter(Boolean).join(' ')
      const why = [code, reason].filter(Boolean).join(': ')
      const element = h(
        'li',
        { class: type },
        h('time', { class: 'note' }, time(at)),
        h('b', {}, type),
        h('span', { class: 'what' }, what, ' ', reasonOf(why)),
        h('span', { class: 'worker-name note', title: worker }, worker),
      )
      return { element, update: () => undefined }
    },
  )
  return {
    replace(events: readonly GroupEvent[]): void {
      kept = events.filter(({ type }) => !quiet.has(type)).slice(-shown)
      rows(kept.toReversed())
    },
    add(event: GroupEvent): void {
      if (!quiet.has(event.type)) this.replace([...kept, event])
    },
  }
}
