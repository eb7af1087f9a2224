/** The model that scores, the one before, and how far each worker is with the next. */
import type { Status } from '../../rest-views.js'
import { h, keyedList, setText } from '../dom.js'
import { plural, shortDigest } from '../format.js'
import { generationColor } from '../generation.js'

const steps = ['loading', 'verifying', 'prepared', 'activated'] as const
/** A finished switch stays in sight for so long. */
const shownAfterMs = 15_000

export const createModel = (parent: HTMLElement, switching: HTMLElement, onRollback: () => void) => {
  const dot = h('span', { class: 'dot' })
  const name = h('strong', { class: 'active' }, '…')
  const about = h('p', { class: 'note' })
  const previous = h('span', { class: 'note' })
  const rollback = h('button', { type: 'button', class: 'quiet', onclick: onRollback }, 'Roll back')
  const before = h('p', { class: 'before' }, previous, rollback)
  parent.append(h('p', { class: 'scoring' }, dot, name), about, before)

  const title = h('p', { class: 'switch-title' })
  const list = h('ul', { class: 'steps' })
  const rows = keyedList<{ worker: string; state: string }>(
    list,
    ({ worker }) => worker,
    ({ worker }) => {
      const state = h('span', { class: 'note' })
      const bar = h('span', { class: 'bar', 'aria-hidden': 'true' }, ...steps.map(() => h('i')))
      return {
        element: h('li', {}, h('span', { class: 'worker-name', title: worker }, worker), bar, state),
        update(value) {
          const reached = steps.indexOf(value.state as (typeof steps)[number])
          bar.className = `bar ${value.state}`
          for (const [i, step] of [...bar.children].entries()) step.className = i <= reached ? 'done' : ''
          setText(state, value.state)
        },
      }
    },
  )
  let doneSince: { command: string; at: number } | undefined

  return ({ model, group }: Status): void => {
    const { active } = model
    setText(name, active?.model ?? 'none yet')
    dot.style.backgroundColor = active?.generation ? generationColor(active.generation) : ''
    setText(
      about,
      active ? `generation ${active.generation} · ${shortDigest(active.digest ?? '')}` : (model.waiting ?? ''),
    )
    before.hidden = model.previous === null
    setText(previous, model.previous ? `before: ${model.previous.model}` : '')

    const { command } = group
    const states = command ? Object.entries(command.workers).map(([worker, state]) => ({ worker, state })) : []
    const present = new Set(group.workers.filter((one) => one.present).map(({ worker }) => worker))
    const ended = states.filter(({ worker, state }) => !present.has(worker) || /activated|failed|aborted/.test(state))
    const done = command !== null && ended.length === states.length
    if (!done) doneSince = undefined
    else if (doneSince?.command !== command.command) doneSince = { command: command.command, at: Date.now() }
    const stale =
      doneSince !== undefined && Date.now() - Math.max(doneSince.at - 3_000, command?.begunAt ?? 0) > shownAfterMs
    switching.hidden = command === null || stale
    if (command === null || stale) return
    const failed = states.filter(({ state }) => state === 'failed').length
    const what = done ? (failed ? `${plural(failed, 'worker')} could not switch to` : 'Switched to') : 'Switching to'
    setText(title, `${what} ${command.model}`)
    title.className = `switch-title ${done ? (failed ? 'failed' : 'done') : 'going'}`
    rows(states)
    if (!title.isConnected) switching.append(title, list)
  }
}
