/** How the run is shown: a view that moves on a terminal, a line a second elsewhere, nothing for machines. */
import { createLogUpdate } from 'log-update'
import { count } from '../format.js'
import type { Output } from '../output.js'
import type { Snapshots } from './snapshots.js'
import { milliseconds, percent, type Snapshot, seconds, view } from './view.js'

export interface Screen {
  event(text: string): void
  /** Leaves what is there. */
  close(): void
}

const frameEveryMs = 200
const lineEveryMs = 1_000

export const createScreen = (output: Output, snapshots: Snapshots, terminal: boolean): Screen => {
  if (output.json) return { event: snapshots.event, close: snapshots.close }
  return terminal ? movingScreen(output, snapshots) : plainScreen(output, snapshots)
}

const movingScreen = ({ stdout, colors }: Output, snapshots: Snapshots): Screen => {
  const update = createLogUpdate(stdout as NodeJS.WriteStream)
  const draw = () => {
    const [columns, rows] = [stdout.columns ?? 80, stdout.rows ?? 24]
    update(view(snapshots.take(), { colors, columns, rows }).join('\n'))
  }
  const timer = setInterval(draw, frameEveryMs)
  draw()
  return {
    event: snapshots.event,
    close() {
      clearInterval(timer)
      draw()
      update.done()
      snapshots.close()
    },
  }
}

const plainScreen = (output: Output, snapshots: Snapshots): Screen => {
  const timer = setInterval(() => void output.write(line(snapshots.take())), lineEveryMs)
  return {
    event(text) {
      snapshots.event(text)
      void output.write(`${seconds(snapshots.take().elapsedMs).padStart(7)} s  ${text}`)
    },
    close() {
      clearInterval(timer)
      snapshots.close()
    },
  }
}

const line = ({ elapsedMs, rate, latency, lag, partitions, recent }: Snapshot): string => {
  const generations = partitions.map((one) => one?.generation ?? 0)
  const newest = partitions.find((one) => one?.generation === Math.max(...generations))
  return [
    `${seconds(elapsedMs).padStart(7)} s  ${count(rate).padStart(6)}/s`,
    latency ? `p50 ${milliseconds(latency.p50)}, p99 ${milliseconds(latency.p99)}` : 'no prediction yet',
    `lag ${count(lag)}`,
    ...(newest ? [`${newest.model}, generation ${newest.generation}`, `accuracy ${percent(recent)}`] : []),
  ].join('   ')
}
