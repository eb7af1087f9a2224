/** The bundles in the store: try one, switch to one, push one. */
import type { Bundle } from '../../rest-views.js'
import { api } from '../api.js'
import { report } from '../dialog.js'
import { h, keyedList, setText } from '../dom.js'
import { bytes, shortDigest } from '../format.js'
import { askHow, gateLines } from '../switch-dialog.js'

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
  // The whole page takes what is dropped: beside the mark a browser would open the file instead.
  const over = (event: DragEvent, is: boolean) => {
    if (drop.hidden || !event.dataTransfer?.types.includes('Files')) return
    event.preventDefault()
    drop.classList.toggle('over', is)
  }
  document.addEventListener('dragover', (event) => over(event, true))
  document.addEventListener('dragleave', (event) => over(event, event.relatedTarget !== null))
  document.addEventListener('drop', (event) => {
    over(event, false)
    if (event.defaultPrevented) push(event.dataTransfer?.files)
  })

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

  const change = (bundle: Bundle) =>
    run(async () => {
      const { ref, digest } = bundle
      const how = await askHow(bundle, workers(), api.verify(digest))
      if (how === undefined) return undefined
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
