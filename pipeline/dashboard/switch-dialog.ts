/** What stands before a switch: how the bundle does at its gates, and how much of the stream it is to have. */
import type { Bundle, GateReport } from '../rest-views.js'
import { openDialog } from './dialog.js'
import { h, setText } from './dom.js'

/** All of the stream, a share of its keys, or none of it that is published. */
export type How = { readonly canary?: number; readonly shadow?: boolean }

type Way = 'all' | 'canary' | 'shadow'
const actOf: Record<Way, (ref: string) => string> = {
  all: (ref) => `Switch to ${ref}`,
  canary: () => 'Begin the canary',
  shadow: () => 'Begin the shadow',
}

/** Nothing can be begun before `trial` has said how the bundle does; throws where it cannot say. Undefined when it was dismissed. */
export const askHow = async (
  { ref }: Bundle,
  workers: number,
  trial: Promise<GateReport>,
): Promise<How | undefined> => {
  const act = h('button', { disabled: true }, actOf.all(ref))
  const choice = (way: Way, ...label: (Node | string)[]) => {
    const onchange = () => setText(act, actOf[way](ref))
    const input = h('input', { type: 'radio', name: 'way', checked: way === 'all', onchange })
    return { input, element: h('label', { class: 'way' }, input, h('span', {}, ...label)) }
  }
  const share = h('input', { type: 'number', min: '1', max: '99', required: true, 'aria-label': 'Percent of the keys' })
  share.value = '10'
  const all = choice('all', 'everything')
  const canary = choice('canary', 'a canary: ', share, ' % of the keys, always the same ones')
  const shadow = choice('shadow', 'a shadow: everything too, for comparison, unpublished')
  share.onfocus = () => canary.input.click()
  const who = workers > 1 ? `in all ${workers} workers` : 'in the one worker that there is'
  const gates = h('div', { class: 'trial', role: 'status' }, h('p', { class: 'busy-line' }, 'At its gates …'))
  const content = h(
    'div',
    {},
    gates,
    h(
      'fieldset',
      {},
      h('legend', { class: 'note' }, `What it is to score, ${who}; the model of now goes on until it is ready:`),
      all.element,
      canary.element,
      shadow.element,
    ),
  )
  let failure: Error | undefined
  trial.then(
    (report) => {
      gates.replaceChildren(gateLines(report))
      act.disabled = false
    },
    (error: Error) => {
      failure = error
      content.closest('dialog')?.close()
    },
  )
  const begun = await openDialog({ title: `${ref} instead?`, content, act, dismiss: 'Cancel' })
  if (failure) throw failure
  if (!begun) return undefined
  if (canary.input.checked) return { canary: Number(share.value) }
  return shadow.input.checked ? { shadow: true } : {}
}

export const gateLines = ({ ok, gates }: GateReport): HTMLElement => {
  const verdict = ok ? 'It passes.' : 'It does not pass; a worker that finds the same stays with the model it has.'
  const line = ({ gate, ok, detail }: GateReport['gates'][number]) =>
    h('li', { class: ok ? 'ok' : 'bad' }, h('b', {}, gate), ' ', h('span', { class: 'note' }, detail))
  return h(
    'div',
    { class: 'gates' },
    h('p', { class: ok ? 'verdict ok' : 'verdict bad' }, verdict),
    h('ol', { tabIndex: 0, 'aria-label': 'Gates' }, ...gates.map(line)),
  )
}
