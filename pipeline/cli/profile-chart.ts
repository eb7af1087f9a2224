/** What a model costs by batch size, as an SVG that needs nothing and reads in light and in dark; both axes are logarithmic. */
import type { Profile } from '../model/profile.js'

const [width, height, left, right, top, bottom] = [760, 420, 70, 110, 50, 50]

const lines = [
  ['p50Ms', 'p50', '#2f81f7', ''],
  ['p99Ms', 'p99', '#d29922', ''],
  ['keptMs', 'kept', '#8b949e', 'stroke-dasharray="4 4"'],
] as const

export const profileChart = ({ ref, missRatio, table }: Profile): string => {
  const all = table.flatMap((row) => lines.map(([column]) => row[column]))
  const x = scale(
    table.map(({ rows }) => rows),
    left,
    width - right,
  )
  const y = scale(all, height - bottom, top)
  const shapes = [
    label(left, 26, `${ref}: milliseconds a batch, by the records in it`, 'font-weight="600" font-size="15"'),
    ...decades(all).map(
      (tick) =>
        `<line x1="${left}" x2="${width - right}" y1="${y(tick).toFixed(1)}" y2="${y(tick).toFixed(1)}" stroke="#8b949e" stroke-opacity="0.3"/>` +
        label(left - 8, y(tick) + 4, String(tick), 'text-anchor="end"'),
    ),
    ...table.map(({ rows }) => label(x(rows), height - bottom + 22, String(rows), 'text-anchor="middle"')),
    ...lines.map(([column, name, color, style]) => {
      const points = table.map((row) => `${x(row.rows).toFixed(1)},${y(row[column]).toFixed(1)}`).join(' ')
      return `<polyline points="${points}" fill="none" stroke="${color}" stroke-width="2" ${style}><title>${name}</title></polyline>`
    }),
    ...lines.map(([, name, color], index) => {
      const text = name === 'kept' ? `all but ${Number((100 * missRatio).toPrecision(3))} %` : name
      return label(width - right + 12, top + 20 * index, text, `style="fill:${color}"`)
    }),
  ]
  const style = 'text{font:13px system-ui,sans-serif;fill:#1f2328}@media(prefers-color-scheme:dark){text{fill:#e6edf3}}'
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img"><style>${style}</style>\n${shapes.join('\n')}\n</svg>\n`
}

/** The logarithm of what lies between the least and the most of the values; they are above zero. */
const scale = (values: readonly number[], from: number, to: number) => {
  const [least, most] = [Math.log(Math.min(...values)), Math.log(Math.max(...values))]
  return (value: number) =>
    most === least ? (from + to) / 2 : from + ((Math.log(value) - least) / (most - least)) * (to - from)
}

/** Powers of ten among the values. */
const decades = (values: readonly number[]): number[] => {
  const [first, last] = [Math.ceil(Math.log10(Math.min(...values))), Math.floor(Math.log10(Math.max(...values)))]
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) =>
    Number((10 ** (first + index)).toPrecision(1)),
  )
}

const label = (x: number, y: number, content: string, attributes = ''): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${content.replace(/[&<>]/g, (one) => `&#${one.charCodeAt(0)};`)}</text>`
