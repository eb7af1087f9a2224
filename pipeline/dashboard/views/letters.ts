/** Records of the deployment that could not be scored: how many and why, and what was in the latest. */
import type { DeadLetterSample, DeadLetters } from '../../letter-sample.js'
import { h, keyedList, setText } from '../dom.js'
import { bytes, count, moment } from '../format.js'
import { watchedNote } from '../watched-note.js'

const shown = 8
const shownCodes = 8

export const createLetters = (parent: HTMLElement, note: HTMLElement) => {
  const codes = h('ul', { class: 'codes', 'aria-label': 'Dead letters by code' })
  const list = h('ul', { class: 'letter-list' })
  const none = h('p', { class: 'note', hidden: true }, 'Every record could be scored.')
  const trouble = h('p', { class: 'note bad' })
  parent.append(codes, none, trouble, list)
  const codeRows = keyedList<readonly [string, number]>(
    codes,
    ([code]) => code,
    ([code]) => {
      const times = h('b')
      return {
        element: h('li', {}, h('code', {}, code), ' ', times),
        update: ([, value]) => setText(times, count(value)),
      }
    },
  )
  const rows = keyedList<DeadLetterSample>(
    list,
    ({ partition, offset, at }) => `${partition}/${offset}/${at}`,
    (letter) => ({ element: row(letter), update: () => undefined }),
  )
  return (letters: DeadLetters): void => {
    const counts = Object.entries(letters.counts).sort(([, one], [, other]) => other - one)
    codeRows(counts.slice(0, shownCodes))
    codes.hidden = counts.length === 0
    none.hidden = !letters.known || counts.length > 0
    setText(trouble, letters.trouble ?? '')
    trouble.hidden = letters.trouble === null
    setText(note, watchedNote(letters))
    rows(letters.latest.slice(0, shown))
  }
}

const row = ({ partition, offset, at, code, reason, size, key, model, bytes: hex }: DeadLetterSample): HTMLElement => {
  const inFull = size === null || hex.length >= 2 * size
  const facts = [
    `partition ${partition}, offset ${count(offset)}`,
    key === null ? '' : `key ${key}`,
    model,
    size === null ? 'no value' : bytes(size),
    inFull ? '' : `the first ${bytes(hex.length / 2)} of it:`,
  ]
  return h(
    'li',
    {},
    h(
      'details',
      {},
      h(
        'summary',
        {},
        h('code', {}, code),
        h('span', { class: 'reason' }, reason),
        h('time', { class: 'note' }, moment(at)),
      ),
      h('p', { class: 'note' }, facts.filter(Boolean).join(', ')),
      hex === '' ? '' : h('pre', { tabIndex: 0, 'aria-label': 'The bytes in hexadecimal' }, hexdump(hex)),
    ),
  )
}

/** Sixteen bytes a line, with what is text in them beside. */
const hexdump = (hex: string): string => {
  const octets = hex.match(/../g) ?? []
  const lines: string[] = []
  for (let at = 0; at < octets.length; at += 16) {
    const line = octets.slice(at, at + 16)
    const text = line
      .map((one) => Number.parseInt(one, 16))
      .map((code) => (code >= 32 && code < 127 ? String.fromCharCode(code) : '·'))
    lines.push(`${at.toString(16).padStart(4, '0')}  ${line.join(' ').padEnd(47)}  ${text.join('')}`)
  }
  return lines.join('\n')
}
