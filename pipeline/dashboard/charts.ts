/** Lines over the last five minutes, with a mark wherever a new generation began. */
import uPlot from 'uplot'
import type { FlowFrame } from '../flow-history.js'
import { h, setText } from './dom.js'
import { time } from './format.js'
import { generationColor } from './generation.js'

export interface Line {
  readonly label: string
  readonly of: (frame: FlowFrame) => number | null
  /** custom property with its colour */
  readonly color: string
  readonly filled?: boolean
  /** not named where it has no value */
  readonly optional?: boolean
}

export interface ChartOptions {
  readonly lines: readonly Line[]
  readonly format: (value: number) => string
  /** where the lines are named, with their latest values or those under the pointer */
  readonly legend: HTMLElement
  /** What is far beyond everything else is cut off, so that the rest can be read. */
  readonly cutOutliers?: boolean
}

export interface Chart {
  show(frames: readonly FlowFrame[]): void
  /** Colours have changed. */
  restyle(): void
}

const windowSeconds = 300

export const createChart = (parent: HTMLElement, { lines, format, legend, cutOutliers }: ChartOptions): Chart => {
  let frames: readonly FlowFrame[] = []
  let plot: uPlot | undefined

  const style = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
  const size = () => ({ width: Math.max(200, parent.clientWidth), height: 168 })

  const draw = () => {
    plot?.destroy()
    const axis = {
      stroke: style('--faint'),
      font: '11px system-ui, sans-serif',
      ticks: { show: false },
      grid: { stroke: style('--hairline'), width: 1 },
    }
    plot = new uPlot(
      {
        ...size(),
        padding: [14, 4, 0, 0],
        legend: { show: false },
        cursor: { y: false, points: { size: 6 }, sync: { key: 'millrace' } },
        scales: {
          x: {
            time: true,
            range: (_plot, min, max) => [Math.max(min, max - windowSeconds, 0), Math.max(max, min + 1)],
          },
          y: {
            range: (_plot, _min, max) => [
              0,
              Math.max(1, (cutOutliers ? withoutOutliers(frames, lines) : (max ?? 0)) * 1.15),
            ],
          },
        },
        axes: [
          {
            ...axis,
            grid: { show: false },
            space: 80,
            size: 26,
            values: (_plot, ticks) => ticks.map((at) => time(at * 1_000)),
          },
          { ...axis, size: 54, gap: 6, space: 40, values: (_plot, ticks) => ticks.map(format) },
        ],
        series: [
          {},
          ...lines.map(({ label, color, filled }) => ({
            label,
            stroke: style(color),
            width: 1.6,
            points: { show: false },
            ...(filled ? { fill: `color-mix(in srgb, ${style(color)} 14%, transparent)` } : {}),
          })),
        ],
        hooks: { draw: [markGenerations], setCursor: [(plot) => tell(plot.cursor.idx ?? undefined)] },
      },
      data(),
      parent,
    )
  }

  const data = (): uPlot.AlignedData => [frames.map(({ at }) => at / 1_000), ...lines.map(({ of }) => frames.map(of))]

  /** A hairline where another generation was published first, with its number. */
  const markGenerations = (plot: uPlot) => {
    const { ctx, bbox } = plot
    const ratio = devicePixelRatio
    let before: number | null = null
    ctx.save()
    ctx.textAlign = 'left'
    ctx.font = `${10.5 * ratio}px system-ui, sans-serif`
    for (const { at, generation } of frames) {
      const begun = before !== null && generation !== null && generation !== before
      before = generation ?? before
      if (!begun) continue
      const x = Math.round(plot.valToPos(at / 1_000, 'x', true))
      if (x < bbox.left) continue
      ctx.strokeStyle = ctx.fillStyle = generationColor(generation)
      ctx.lineWidth = ratio
      ctx.setLineDash([3 * ratio, 3 * ratio])
      ctx.beginPath()
      ctx.moveTo(x, bbox.top)
      ctx.lineTo(x, bbox.top + bbox.height)
      ctx.stroke()
      ctx.fillText(`g${generation}`, x + 4 * ratio, bbox.top + 9 * ratio)
    }
    ctx.restore()
  }

  const keys = lines.map(({ label, color }) => {
    const value = h('b')
    const key = h('span', { class: `key ${color.slice(2)}` }, label, value)
    legend.append(key)
    return { key, value }
  })
  /** Says the values of a moment: the latest, where none is pointed at. */
  const tell = (index = frames.length - 1) => {
    const frame = frames[index]
    lines.forEach(({ of, optional = false }, i) => {
      const { key, value: shown } = keys[i]!
      const value = (frame && of(frame)) ?? null
      key.hidden = optional && value === null
      setText(shown, value === null ? '–' : format(value))
    })
  }

  draw()
  new ResizeObserver(() => plot?.setSize(size())).observe(parent)
  return {
    show(next) {
      frames = next
      plot?.setData(data())
      tell(plot?.cursor.idx ?? undefined)
    },
    restyle: draw,
  }
}

/** The largest value, unless it is more than three times what all but a few stay below. */
const withoutOutliers = (frames: readonly FlowFrame[], lines: readonly Line[]): number => {
  const values = frames.flatMap((frame) => lines.flatMap(({ of }) => of(frame) ?? [])).sort((one, other) => one - other)
  const usual = values[Math.floor(values.length * 0.97)] ?? 0
  return Math.min(values.at(-1) ?? 0, 3 * usual)
}
