/** Light or dark: as the system has it, until somebody says otherwise. */

import { setText } from './dom.js'
import { isDark } from './generation.js'

const key = 'millrace-theme'

export const startTheme = (button: HTMLElement, onChange: () => void): void => {
  const root = document.documentElement
  const chosen = localStorage.getItem(key)
  if (chosen) root.dataset.theme = chosen
  const show = () => setText(button, isDark() ? 'Light' : 'Dark')
  button.onclick = () => {
    root.dataset.theme = isDark() ? 'light' : 'dark'
    localStorage.setItem(key, root.dataset.theme)
    show()
    onChange()
  }
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    show()
    onChange()
  })
  show()
  if (chosen) onChange()
}
