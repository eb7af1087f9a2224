/** Questions and reports, in the browser's own dialog: Escape and focus are its business. */
import { h } from './dom.js'

export interface Choice {
  readonly value: string
  readonly label: string
  readonly main?: boolean
}

const open = (
  title: string,
  content: HTMLElement,
  choices: readonly Choice[],
  dismiss: string,
): Promise<string | undefined> =>
  new Promise((resolve) => {
    const form = h(
      'form',
      { method: 'dialog' },
      h('h2', {}, title),
      content,
      h(
        'p',
        { class: 'choices' },
        ...choices.map(({ value, label, main }) => h('button', { value, class: main ? 'main' : 'quiet' }, label)),
        h('button', { value: '', class: choices.length ? 'quiet' : 'main', formNoValidate: true }, dismiss),
      ),
    )
    const dialog = h('dialog', {}, form)
    dialog.onclose = () => {
      dialog.remove()
      resolve(dialog.returnValue || undefined)
    }
    document.body.append(dialog)
    dialog.showModal()
    const first = form.querySelector<HTMLElement>('input, button')
    first?.focus()
  })

/** The value that was chosen; undefined when it was dismissed. */
export const ask = (title: string, text: string, choices: readonly Choice[]): Promise<string | undefined> =>
  open(title, h('p', {}, text), choices, 'Cancel')

export const report = async (title: string, content: HTMLElement): Promise<void> => {
  await open(title, content, [], 'Close')
}

/** What was typed in; undefined when it was dismissed. */
export const askFor = async (title: string, label: string, hint: string): Promise<string | undefined> => {
  const input = h('input', { type: 'password', id: 'asked', autocomplete: 'off', required: true })
  const content = h('div', {}, h('label', { htmlFor: 'asked' }, label), input, h('p', { class: 'note' }, hint))
  const answer = await open(title, content, [{ value: 'ok', label: 'Use it', main: true }], 'Cancel')
  return answer === 'ok' ? input.value.trim() : undefined
}
