/** The bundles in the store: try one, switch to one, push one. */
import type { Bundle, GateReport } from '../../rest-views.js'
import { api } from '../api.js'
import { ask, report } from '../dialog.js'
import { h, keyedList, setText } from '../dom.js'
import { bytes, shortDigest } from '../format.js'

export interface BundleActions {
  /** Runs what needs the token, says what went wrong, and tells what came of it. */
  readonly run: (what: () => Promise<string | undefined>) => Promise<void>
  /** workers of the group */
  readonly workers: () => number
}

export const createBundles = (parent: HTMLElement, { run, workers }: BundleActions) => {
  const list = h('ul', { class: 'bundle-list' })
  const input = h('input', { type: 'file', accept: '.gz,.tgz,application/gzip', id: 'bundle-file' })
  const drop = h(
    'label',
    { class: 'drop', htmlFor: 'bundle-file' },
    input,
    h('span', {}, 'Drop a bundle here, or ', h('u', {}, 'choose a file')),
  )
  parent.append(list, drop)

  const push = (files: FileList | null | undefined) => {
    const file = files?.[0]
    if (!file) return
    void run(async () => {
      drop.classList.add('busy')
      try {
        const { ref, stored } = await api.upload(file)
        return stored ? `${ref} is in the store` : `${ref} was there already`
      } finally {
        drop.classList.remove('busy')
        input.value = ''
      }
    })
  }
  input.onchange = () => push(input.files)
  const over = (event: DragEvent, is: boolean) => {
    event.preventDefault()
    drop.classList.toggle('over', is)
  }
  drop.ondragover = (event) => over(event, true)
  drop.ondragleave = (event) => over(event, false)
  drop.ondrop = (event) => {
    over(event, false)
    push(event.dataTransfer?.files)
  }

  const verify = ({ ref, digest }: Bundle, button: HTMLButtonElement) =>
    run(async () => {
      button.classList.add('busy')
      try {
        await report(`${ref} at its gates`, gateLines(await api.verify(digest)))
        return undefined
      } finally {
        button.classList.remove('busy')
      }
    })

  const change = ({ ref, digest }: Bundle) =>
    run(async () => {
      const count = workers()
      const text = `Every worker${count > 1 ? ` (${count})` : ''} loads and tries it while the old model goes on; one that cannot, says so and stays.`
      const answer = await ask(`Score with ${ref} from now on?`, text, [
        { value: 'switch', label: `Switch to ${ref}`, main: true },
        { value: 'canary', label: 'Only for 10 % of the keys' },
        { value: 'shadow', label: 'In the shadow, unpublished' },
      ])
      if (answer === undefined) return undefined
      const how = answer === 'canary' ? { canary: 10 } : answer === 'shadow' ? { shadow: true } : {}
      await api.switch({ model: ref, digest, ...how })
      return `the workers were told: ${ref}`
    })

  const rows = keyedList<Bundle>(
    list,
    ({ ref, digest }) => `${ref} ${digest}`,
    (bundle) => {
      let current = bundle
      const badge = h('span', { class: 'badge' })
      const note = h('span', { class: 'note' })
      const tryIt = h('button', { type: 'button', class: 'quiet' }, 'Try')
      const change_ = h('button', { type: 'button', class: 'quiet' }, 'Switch')
      tryIt.setAttribute('aria-label', `Try ${bundle.ref}`)
      change_.setAttribute('aria-label', `Switch to ${bundle.ref}`)
      tryIt.onclick = () => void verify(current, tryIt)
      change_.onclick = () => void change(current)
      return {
        element: h(
          'li',
          {},
          h('span', { class: 'ref' }, bundle.ref, ' ', badge),
          note,
          h('span', { class: 'does' }, tryIt, change_),
        ),
        update(value) {
          current = value
          setText(badge, value.state ?? '')
          badge.className = `badge ${value.state ?? ''}`
          badge.hidden = value.state === null
          setText(
            note,
            value.problem ?? `${shortDigest(value.digest)} · ${bytes(value.bytes)}${value.signed ? ' · signed' : ''}`,
          )
          note.classList.toggle('bad', value.problem !== null)
          change_.disabled = value.problem !== null || value.state === 'active'
          tryIt.disabled = value.digest === ''
        },
      }
    },
  )

  return ({ models, mutable }: { models: readonly Bundle[]; mutable: boolean }): void => {
    drop.hidden = !mutable
    rows(models)
  }
}

const gateLines = ({ ok, gates }: GateReport): HTMLElement =>
  h(
    'div',
    { class: 'gates' },
    h('p', { class: ok ? 'verdict ok' : 'verdict bad' }, ok ? 'It passes.' : 'It does not pass.'),
    h(
      'ol',
      {},
      ...gates.map((gate) =>
        h(
          'li',
          { class: gate.ok ? 'ok' : 'bad' },
          h('b', {}, gate.gate),
          ' ',
          h('span', { class: 'note' }, gate.detail),
        ),
      ),
    ),
  )
