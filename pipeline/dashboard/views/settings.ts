/** The settings that change while the worker runs, in a form. */
import { put, type Tree } from '../../config-tree.js'
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

  /** What was typed, in groups as in the file; an empty field takes a limit away. */
  const entered = (): Tree => {
    const settings: Tree = {}
    for (const path of edited) {
      const { value } = fields.get(path)!.input
      put(settings, path, path === 'logLevel' ? value : value === '' ? null : Number(value))
    }
    return settings
  }

  const field = ({ path, value, description }: Setting) => {
    const id = `setting-${path}`
    const input =
      path === 'logLevel'
        ? h('select', { id }, ...levels.map((level) => h('option', {}, level)))
        : h('input', { id, type: 'number', min: '0', step: 'any', required: value !== null, placeholder: 'none' })
    input.oninput = () => edited.add(path)
    const source = h('span', { class: 'note' })
    form.append(h('div', {}, h('label', { htmlFor: id, title: description }, h('code', {}, path), source), input))
    const made = { input, source }
    fields.set(path, made)
    return made
  }

  return (settings: readonly Setting[]): void => {
    for (const setting of settings.filter(({ live }) => live)) {
      const { input, source } = fields.get(setting.path) ?? field(setting)
      if (!edited.has(setting.path)) input.value = String(setting.value ?? '')
      source.textContent = setting.source
    }
    if (!form.querySelector('button')) form.append(h('button', { class: 'quiet' }, 'Apply'))
  }
}
