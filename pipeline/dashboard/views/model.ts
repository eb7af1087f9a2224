/** The model that scores, the one before, and how far each worker is with the next. */
import type { Status } from '../../rest-views.js'
import { h, keyedList, setText } from '../dom.js'
import { count, percent, plural, shortDigest } from '../format.js'
import { generationColor } from '../generation.js'

const steps = ['loading', 'verifying', 'prepared', 'activated'] as const
/** A finished switch stays in sight for so long. */
const shownAfterMs = 15_000

export interface ModelActions {
  readonly rollback: () => void
  /** The second model of a canary or a shadow is to score everything. */
  readonly promote: () => void
}

export const createModel = (parent: HTMLElement, switching: HTMLElement, actions: ModelActions) => {
  const dot = h('span', { class: 'dot' })
  const name = h('strong', { class: 'active' }, '…')
  const about = h('p', { class: 'note' })
  const previous = h('span', { class: 'note' })
  const rollback = h('button', { type: 'button', class: 'quiet', onclick: actions.rollback }, 'Roll back')
  const before = h('p', { class: 'before' }, previous, rollback)
  const second = h('p', { class: 'second' })
  const compared = h('p', { class: 'note' })
  const beside = h(
    'div',
    { class: 'beside' },
    second,
    compared,
    h(
      'p',
      { class: 'does' },
      h('button', { type: 'button', class: 'quiet', onclick: actions.promote }, 'Promote it'),
      h('button', { type: 'button', class: 'quiet', onclick: actions.rollback }, 'End it'),
    ),
  )
  parent.append(h('p', { class: 'scoring' }, dot, name), about, before, beside)

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

  return ({ model, group, shadow }: Status): void => {
    const { active } = model
    setText(name, active?.model ?? 'none yet')
    dot.style.backgroundColor = active?.generation ? generationColor(active.generation) : ''
    setText(
      about,
      active ? `generation ${active.generation} · ${shortDigest(active.digest ?? '')}` : (model.waiting ?? ''),
    )
    before.hidden = model.previous === null || model.beside !== null
    beside.hidden = model.beside === null
    setText(second, model.beside === null ? '' : besideText(model.beside))
    setText(compared, model.beside?.mode === 'SHADOW' && shadow !== null ? shadowText(shadow) : '')
    setText(previous, model.previous ? `before: ${model.previous.model}` : '')

    const { command } = group
    const states = Object.entries(command?.workers ?? {})
      .map(([worker, state]) => ({ worker, state }))
      .sort((one, other) => one.worker.localeCompare(other.worker))
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
    setText(title, `${what} ${command.beside ?? command.model}`)
    title.className = `switch-title ${done ? (failed ? 'failed' : 'done') : 'going'}`
    rows(states)
    if (!title.isConnected) switching.append(title, list)
  }
}

const besideText = ({ mode, model, percent }: NonNullable<Status['model']['beside']>): string =>
  mode === 'CANARY' ? `Canary: ${model} scores ${percent} % of the keys` : `Shadow: ${model} scores too, unpublished`

const shadowText = ({ compared, agreed, failed, meanDistance }: NonNullable<Status['shadow']>): string => {
  if (compared === 0) return 'nothing compared here yet'
  const distance = meanDistance === null ? '' : `, scores ${meanDistance.toPrecision(2)} apart on average`
  const failures = failed === 0 ? '' : `, ${count(failed)} failed`
  return `agrees on ${percent(agreed / compared, 1)} of ${count(compared)} here${distance}${failures}`
}
