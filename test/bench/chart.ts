/** Rows as bars: an SVG that needs nothing and reads in light and in dark. */
import { type Row, text } from './result.js'

const [width, left, right, bar, gap, title] = [760, 220, 150, 18, 6, 30]
const own = '#2f81f7'
const other = '#8b949e'

/** One group of bars for each part, bars of a group to one scale. */
export const chart = (heading: string, rows: readonly Row[], caption: string): string => {
  const shapes: string[] = [label(16, 24, heading, 'font-weight="600" font-size="15"')]
  let y = 40
  for (const part of new Set(rows.map((row) => row.part))) {
    const group = rows.filter((row) => row.part === part)
    y += title
    shapes.push(label(16, y - 8, `${part} (${group[0]?.unit})`, 'font-weight="600"'))
    const most = Math.max(...group.map(({ value }) => value).filter(Number.isFinite))
    for (const row of group) {
      const length = Number.isFinite(row.value) ? Math.max(1, (row.value / most) * (width - left - right)) : 1
      const ratio = row.ratio === undefined ? '' : `  × ${row.ratio.toPrecision(3)}`
      shapes.push(
        label(left - 8, y + 13, row.name, 'text-anchor="end"'),
        `<rect x="${left}" y="${y}" width="${length.toFixed(1)}" height="${bar}" rx="3" fill="${row.name.startsWith('millrace') ? own : other}"/>`,
        label(left + length + 8, y + 13, `${text(row.value)}${ratio}`),
      )
      y += bar + gap
    }
  }
  const lines = caption.match(/.{1,110}(?:\s|$)/g) ?? []
  for (const line of lines) {
    y += 18
    shapes.push(label(16, y, line.trim(), 'font-size="11" opacity="0.7"'))
  }
  const style = 'text{font:13px system-ui,sans-serif;fill:#1f2328}@media(prefers-color-scheme:dark){text{fill:#e6edf3}}'
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y + 16}" role="img"><title>${escaped(heading)}</title><style>${style}</style>${shapes.join('\n')}</svg>\n`
}

const label = (x: number, y: number, content: string, attributes = ''): string =>
  `<text x="${x.toFixed(1)}" y="${y}" ${attributes}>${escaped(content)}</text>`

const escaped = (content: string): string => content.replace(/[&<>]/g, (one) => `&#${one.charCodeAt(0)};`)
