/** Records of the deployment that got no prediction because of their firm deadline: how many, where they were found late, and the latest. */
import type { LateRecords, LateSample } from '../../late-sample.js'
import { h, keyedList, setText } from '../dom.js'
import { count, duration, moment } from '../format.js'
import { watchedNote } from '../watched-note.js'

const shown = 6
const found = new Map([
  ['admission', 'before the model, not scored'],
  ['inference', 'after the model'],
])

export const createLate = (panel: HTMLElement, parent: HTMLElement, note: HTMLElement) => {
  const stages = h('ul', { class: 'codes', 'aria-label': 'Late records by where they were found late' })
  const list = h('ol', { class: 'late-list' })
  const none = h('p', { class: 'note', hidden: true }, 'Every record was answered in time.')
  const trouble = h('p', { class: 'note bad' })
  parent.append(stages, none, trouble, list)
  const stageRows = keyedList<readonly [string, number]>(
    stages,
    ([stage]) => stage,
    ([stage]) => {
      const times = h('b')
      return {
        element: h('li', {}, h('span', {}, found.get(stage) ?? stage), ' ', times),
        update: ([, value]) => setText(times, count(value)),
      }
    },
  )
  const rows = keyedList<LateSample>(
    list,
    ({ partition, offset, at }) => `${partition}/${offset}/${at}`,
    (late) => ({ element: row(late), update: () => undefined }),
  )
  return (late: LateRecords): void => {
    panel.hidden = false
    const counts = Object.entries(late.counts).sort(([, one], [, other]) => other - one)
    stageRows(counts)
    stages.hidden = counts.length === 0
    none.hidden = !late.known || counts.length > 0
    setText(trouble, late.trouble ?? '')
    trouble.hidden = late.trouble === null
    setText(note, watchedNote(late))
    rows(late.latest.slice(0, shown))
  }
}

const row = ({ partition, offset, model, missedByMs, at }: LateSample): HTMLElement =>
  h(
    'li',
    {},
    h('span', {}, `${duration(missedByMs)} late`),
    h('span', { class: 'reason note' }, `partition ${partition}, offset ${count(offset)}, ${model}`),
    h('time', { class: 'note' }, moment(at)),
  )
