/** Questions and reports, in the browser's own dialog: Escape and focus are its business. */
import { h } from './dom.js'

export interface DialogOptions {
  readonly title: string
  readonly content: HTMLElement
  /** what it is there for; the first button, so Enter means it */
  readonly act?: HTMLButtonElement
  /** the word for leaving it */
  readonly dismiss: string
}

/** Resolves when it is closed: true where that was by `act`. */
export const openDialog = ({ title, content, act, dismiss }: DialogOptions): Promise<boolean> =>
  new Promise((resolve) => {
    if (act) Object.assign(act, { value: 'act', className: 'main' })
    const leave = h('button', { value: '', class: act ? 'quiet' : 'main', formNoValidate: true }, dismiss)
    const heading = h('h2', { id: 'dialog-title' }, title)
    const form = h('form', { method: 'dialog' }, heading, content, h('p', { class: 'choices' }, act, leave))
    const dialog = h('dialog', { 'aria-labelledby': 'dialog-title' }, form)
    dialog.onclose = () => {
      dialog.remove()
      resolve(dialog.returnValue === 'act')
    }
    document.body.append(dialog)
    dialog.showModal()
    form.querySelector<HTMLElement>('input, button')?.focus()
  })

/** Whether it was said yes to, in the words of `yes`. */
export const ask = (title: string, text: string, yes: string): Promise<boolean> =>
  openDialog({ title, content: h('p', {}, text), act: h('button', {}, yes), dismiss: 'Cancel' })

export const report = async (title: string, content: HTMLElement): Promise<void> => {
  await openDialog({ title, content, dismiss: 'Close' })
}

/** What was typed in; undefined when it was dismissed. */
export const askFor = async (title: string, label: string, hint: string): Promise<string | undefined> => {
  const input = h('input', { type: 'password', id: 'asked', autocomplete: 'off', required: true })
  const content = h('div', {}, h('label', { htmlFor: 'asked' }, label), input, h('p', { class: 'note' }, hint))
  const given = await openDialog({ title, content, act: h('button', {}, 'Use it'), dismiss: 'Cancel' })
  return given ? input.value.trim() : undefined
}
