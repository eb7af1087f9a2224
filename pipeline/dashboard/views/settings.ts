/** The settings that change while the worker runs, in a form. */
import type { Setting } from '../../rest-views.js'
import { api } from '../api.js'
import { h } from '../dom.js'

const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

export const createSettings = (
  parent: HTMLElement,
  run: (what: () => Promise<string | undefined>) => Promise<void>,
) => {
  const fields = new Map<
    string,
    { readonly input: HTMLInputElement | HTMLSelectElement; readonly source: HTMLElement }
  >()
  /** What somebody has typed and not applied yet stays as it is. */
  const edited = new Set<string>()
  const form = h('form', { class: 'settings-form' })
  parent.append(form)
  form.onsubmit = (event) => {
    event.preventDefault()
    void run(async () => {
      const { changed } = await api.change(entered())
      edited.clear()
      return changed.length === 0
        ? 'nothing was different'
        : changed.map(({ path, to }) => `${path} is ${to}`).join(', ')
    })
  }

  const entered = (): object => {
    const batch: Record<string, number> = {}
    let rest = {}
    for (const [path, { input }] of fields) {
      const name = path.replace('batch.', '')
      if (path.startsWith('batch.')) batch[name] = Number(input.value)
      else rest = { ...rest, [path]: input.value }
    }
    return { batch, ...rest }
  }

  const field = ({ path, description }: Setting) => {
    const id = `setting-${path}`
    const input =
      path === 'logLevel'
        ? h('select', { id }, ...levels.map((level) => h('option', {}, level)))
        : h('input', { id, type: 'number', min: '0', required: true, inputMode: 'numeric' })
    input.oninput = () => edited.add(path)
    const source = h('span', { class: 'note' })
    form.append(h('label', { htmlFor: id, title: description }, h('code', {}, path), source), input)
    const made = { input, source }
    fields.set(path, made)
    return made
  }

  return (settings: readonly Setting[]): void => {
    for (const setting of settings.filter(({ live }) => live)) {
      const { input, source } = fields.get(setting.path) ?? field(setting)
      if (!edited.has(setting.path)) input.value = String(setting.value)
      source.textContent = setting.source
    }
    if (!form.querySelector('button')) form.append(h('button', { class: 'quiet' }, 'Apply'))
  }
}
