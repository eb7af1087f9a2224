/** Bytes as people look at them: sixteen a line, with what is text of them beside. */

const perLine = 16

export const hexDump = (bytes: Uint8Array): string =>
  Array.from({ length: Math.ceil(bytes.length / perLine) }, (_, line) => {
    const part = bytes.subarray(line * perLine, (line + 1) * perLine)
    const hex = Array.from(part, (byte) => byte.toString(16).padStart(2, '0'))
    const text = Array.from(part, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.'))
    const halves = [hex.slice(0, 8).join(' '), hex.slice(8).join(' ')].map((half) => half.padEnd(23))
    return `${(line * perLine).toString(16).padStart(8, '0')}  ${halves.join('  ')}  |${text.join('')}|`
  }).join('\n')
