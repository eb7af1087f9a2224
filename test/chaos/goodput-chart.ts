/** Goodput over time as an SVG: one panel for each load, with a line for each class, in shares of the capacity. Reads in light and in dark. */

export interface Line {
  readonly name: string
  /** of the capacity, second by second */
  readonly shares: readonly number[]
}

export interface Panel {
  readonly title: string
  readonly lines: readonly Line[]
}

const [width, left, top, plotHeight, gap] = [760, 56, 56, 170, 66]
const colors = ['#2f81f7', '#d1242f', '#8b949e']
const style = 'text{font:13px system-ui,sans-serif;fill:#1f2328}@media(prefers-color-scheme:dark){text{fill:#e6edf3}}'

export function goodputChart(heading: string, panels: readonly Panel[], caption: string): string {
  const plotWidth = (width - left * 2 - gap * (panels.length - 1)) / panels.length
  const shapes = panels.map((panel, index) => drawPanel(panel, left + index * (plotWidth + gap), plotWidth))
  const legend = [...new Set(panels.flatMap(({ lines }) => lines.map(({ name }) => name)))].map((name, index) => {
    const x = left + index * 240
    const y = top + plotHeight + 62
    return `<rect x="${x}" y="${y - 9}" width="18" height="4" fill="${colors[index]}"/>${text(x + 26, y - 3, name)}`
  })
  const lines = caption.match(/.{1,110}(?:\s|$)/g) ?? []
  const written = lines.map((line, index) =>
    text(16, top + plotHeight + 90 + index * 18, line.trim(), 'font-size="11" opacity="0.7"'),
  )
  const height = top + plotHeight + 90 + lines.length * 18
  const title = text(16, 24, heading, 'font-weight="600" font-size="15"')
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img"><title>${escaped(heading)}</title><style>${style}</style>${[title, ...shapes, ...legend, ...written].join('\n')}</svg>\n`
}

function drawPanel({ title, lines }: Panel, x: number, plotWidth: number): string {
  const most = 1.25
  const y = (share: number) => top + plotHeight * (1 - Math.min(share, most) / most)
  const seconds = Math.max(...lines.map(({ shares }) => shares.length), 2)
  const at = (second: number) => x + (plotWidth * second) / (seconds - 1)
  const grid = [0, 0.5, 0.9, 1].map(
    (share) =>
      `<line x1="${x}" x2="${x + plotWidth}" y1="${y(share)}" y2="${y(share)}" stroke="#8b949e" stroke-opacity="${share === 1 ? 0.9 : 0.4}" stroke-dasharray="${share === 0 ? 'none' : '4 4'}"/>` +
      text(x - 8, y(share) + 4, `${100 * share} %`, 'text-anchor="end" font-size="11"'),
  )
  const drawn = lines.map(({ shares }, index) => {
    const points = shares.map((share, second) => `${at(second).toFixed(1)},${y(share).toFixed(1)}`).join(' ')
    return `<polyline points="${points}" fill="none" stroke="${colors[index]}" stroke-width="2.5" stroke-linejoin="round"/>`
  })
  return [
    text(x, top - 10, title, 'font-weight="600"'),
    ...grid,
    ...drawn,
    text(x, top + plotHeight + 18, '0', 'font-size="11" text-anchor="middle"'),
    text(x + plotWidth, top + plotHeight + 18, `${seconds} s`, 'font-size="11" text-anchor="end"'),
  ].join('\n')
}

const text = (x: number, y: number, content: string, attributes = ''): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escaped(content)}</text>`

const escaped = (content: string): string => content.replace(/[&<>]/g, (one) => `&#${one.charCodeAt(0)};`)
