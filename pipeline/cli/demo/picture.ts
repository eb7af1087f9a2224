/** A view as an SVG picture: text where it is text, rectangles where it is blocks, so that it looks the same with any font. */
import { stripVTControlCharacters } from 'node:util'
import pc from 'picocolors'
import { type Snapshot, view } from './view.js'

const [columns, rows] = [100, 32]
const [cellWidth, cellHeight, margin, titleHeight] = [8.4, 18, 20, 34]
const foreground = '#d7dde5'
const palette: Readonly<Record<string, string>> = {
  31: '#f47067',
  32: '#6bc46d',
  33: '#e0b050',
  34: '#6cb6ff',
  35: '#dc8add',
  36: '#56d4dd',
}

/** What the view shows, in the colours of a terminal; without the page, whose address would lead nowhere. */
export const picture = (snapshot: Snapshot): string =>
  frameToSvg(view({ ...snapshot, page: undefined }, { colors: pc.createColors(true), columns, rows }))

/** Lines with ANSI colours as an SVG document. */
export const frameToSvg = (lines: readonly string[]): string => {
  const width = Math.max(...lines.map((line) => stripVTControlCharacters(line).length)) * cellWidth + 2 * margin
  const height = lines.length * cellHeight + titleHeight + margin
  const dots = ['#f47067', '#e0b050', '#6bc46d'].map(
    (fill, index) => `<circle cx="${margin + index * 18}" cy="18" r="5.5" fill="${fill}"/>`,
  )
  const body = lines.flatMap((line, row) => drawLine(line, titleHeight + row * cellHeight))
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${round(width)} ${height}" role="img" aria-label="The terminal view of millrace demo">`,
    `<rect width="100%" height="100%" rx="9" fill="#1c2128"/>`,
    ...dots,
    `<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="14" shape-rendering="crispEdges" fill="${foreground}">`,
    ...body,
    '</g>',
    '</svg>',
  ].join('\n')}\n`
}

interface Style {
  readonly color: string
  readonly bold: boolean
  readonly dim: boolean
}

const plain: Style = { color: foreground, bold: false, dim: false }

const drawLine = (line: string, top: number): string[] => {
  const shapes: string[] = []
  let style = plain
  let column = 0
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what it is about
  for (const [, codes, text] of line.matchAll(/\u001b\[([\d;]*)m|([^\u001b]+)/g)) {
    if (text === undefined) {
      for (const code of (codes || '0').split(';')) style = restyle(style, code)
      continue
    }
    for (const run of text.match(/[▀-▟■]+| {2,}|(?:(?! {2})[^▀-▟■])+/gu) ?? []) {
      if (run.trim() !== '') shapes.push(...drawRun(run, column, top, style))
      column += run.length
    }
  }
  return shapes
}

const restyle = (style: Style, code: string): Style => {
  if (code === '0') return plain
  if (code === '1') return { ...style, bold: true }
  if (code === '2') return { ...style, dim: true }
  if (code === '22') return { ...style, bold: false, dim: false }
  if (code === '39') return { ...style, color: foreground }
  return { ...style, color: palette[code] ?? style.color }
}

const drawRun = (run: string, column: number, top: number, style: Style): string[] => {
  const x = margin + column * cellWidth
  if (/^[▀-▟■]/u.test(run))
    return [...run.matchAll(/(.)\1*/gu)].map(({ 0: { length }, 1: block, index }) =>
      drawBlock(block!, length, x + index * cellWidth, top, style.color),
    )
  const attributes = [
    `x="${round(x)}" y="${round(top + 13)}" textLength="${round(run.length * cellWidth)}" xml:space="preserve"`,
    style.color === foreground ? '' : ` fill="${style.color}"`,
    style.bold ? ' font-weight="bold"' : '',
    style.dim ? ' opacity="0.6"' : '',
  ]
  return [`<text ${attributes.join('')}>${escaped(run)}</text>`]
}

const eighths = '▁▂▃▄▅▆▇█'
const shades: Readonly<Record<string, number>> = { '░': 0.25, '▒': 0.5, '▓': 0.75 }

/** `length` times the same block. */
const drawBlock = (block: string, length: number, x: number, top: number, fill: string): string => {
  const opacity = shades[block]
  const filled = block === '■' ? 0.5 : opacity === undefined ? (eighths.indexOf(block) + 1) / 8 : 1
  const height = filled * cellHeight
  const y = block === '■' ? top + cellHeight / 4 : top + cellHeight - height
  const shade = opacity === undefined ? '' : ` opacity="${opacity}"`
  const width = block === '■' ? cellWidth : length * cellWidth
  return `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" fill="${fill}"${shade}/>`
}

const round = (number: number): string => String(Math.round(number * 100) / 100)
const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
