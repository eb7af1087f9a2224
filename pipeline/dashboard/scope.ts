/** Whether something shown is of the worker that serves the page, or of the whole deployment: said only where there are several workers. */
import type { Status } from '../rest-views.js'
import { h } from './dom.js'

export const ofThisWorker = (): HTMLElement => h('small', { class: 'scope' }, 'this worker')

/** Marks the panels that have it in their attributes. */
export const markPanels = (): void => {
  for (const title of document.querySelectorAll('[data-of="worker"] h2')) title.append(' ', ofThisWorker())
}

export const showScope = ({ group }: Status): void => {
  const alone = group.workers.filter(({ present }) => present).length <= 1
  document.body.classList.toggle('alone', alone)
}
