/** Elements, made and kept: text is always text, and what is focused stays focused when a list changes around it. */

type Child = Node | string | number | null | undefined | false
type Props = { [name: string]: unknown }

/** `h('button', { class: 'quiet', onclick: run }, 'Run')`; properties that exist on the element are set, others are attributes. */
export const h = <Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] => {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === false) continue
    if (name === 'class') element.className = String(value)
    else if (name in element && !name.startsWith('aria-')) Object.assign(element, { [name]: value })
    else element.setAttribute(name, String(value))
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false).map(asNode))
  return element
}

const asNode = (child: Child): Node | string => (child instanceof Node ? child : String(child))

export const byId = (id: string): HTMLElement => {
  const element = document.getElementById(id)
  if (!element) throw new Error(`the page has no #${id}`)
  return element
}

/** Sets the text where it differs, so that nothing is read out or laid out again for nothing. */
export const setText = (element: HTMLElement, text: string): void => {
  if (element.textContent !== text) element.textContent = text
}

export interface Row<T> {
  readonly element: HTMLElement
  update(value: T): void
}

/** Keeps one element for each key, in the order of the values: those that stay are updated, never made anew. */
export const keyedList = <T>(parent: HTMLElement, keyOf: (value: T) => string, make: (value: T) => Row<T>) => {
  const rows = new Map<string, Row<T>>()
  return (values: readonly T[]): void => {
    const keys = new Set(values.map(keyOf))
    for (const [key, { element }] of rows) {
      if (keys.has(key)) continue
      element.remove()
      rows.delete(key)
    }
    let at = parent.firstElementChild
    for (const value of values) {
      const key = keyOf(value)
      const row = rows.get(key) ?? make(value)
      rows.set(key, row)
      row.update(value)
      if (row.element === at) at = at.nextElementSibling
      else parent.insertBefore(row.element, at)
    }
  }
}
