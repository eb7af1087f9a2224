/** Records that could not be scored: why, and what was in them. */
import type { Status } from '../../rest-views.js'
import type { DeadLetterSample } from '../../samples.js'
import { h, keyedList, setText } from '../dom.js'
import { bytes, count, time } from '../format.js'

const shown = 8

export const createLetters = (parent: HTMLElement, note: HTMLElement) => {
  const list = h('ul', { class: 'letter-list' })
  const none = h('p', { class: 'note' }, 'Every record so far could be scored.')
  parent.append(none, list)
  let kept: DeadLetterSample[] = []
  const rows = keyedList<DeadLetterSample>(
    list,
    ({ partition, offset, at }) => `${partition}/${offset}/${at}`,
    (letter) => {
      const { partition, offset, at, code, reason, size, key } = letter
      const where = `partition ${partition}, offset ${count(offset)}${key === null ? '' : `, key ${key}`}`
      const element = h(
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
            h('time', { class: 'note' }, time(at)),
          ),
          h('p', { class: 'note' }, `${where}, ${size === null ? 'no value' : bytes(size)}`),
          letter.bytes === ''
            ? ''
            : h('pre', { tabIndex: 0, 'aria-label': 'The bytes in hexadecimal' }, hexdump(letter.bytes)),
        ),
      )
      return { element, update: () => undefined }
    },
  )
  return {
    add(letters: readonly DeadLetterSample[]): void {
      kept = [...letters, ...kept].slice(0, shown)
      none.hidden = kept.length > 0
      rows(kept)
    },
    status({ pipe }: Status): void {
      const all = Object.values(pipe.rejected).reduce((sum, one) => sum + one, 0)
      setText(note, all === 0 ? 'none' : `${count(all)} since this worker began`)
    },
  }
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
