/** The memory of the demo's processes over time, as a CSV file. */
import { createWriteStream } from 'node:fs'
import type { Judge } from './judge.js'
import { residentBytes } from './memory.js'
import type { DemoWorker } from './workers.js'

const everyMs = 10_000

/** Begins at once and appends a line every ten seconds; returns how to end it. */
export const sampleMemory = (
  file: string,
  judge: Judge,
  processes: readonly Pick<DemoWorker, 'id' | 'pid'>[],
): (() => void) => {
  const target = createWriteStream(file)
  target.write(`seconds,${processes.map(({ id }) => `${id}_bytes`).join(',')},predictions,open,duplicates\n`)
  const begunAt = performance.now()
  const sample = async () => {
    const elapsed = Math.round((performance.now() - begunAt) / 1000)
    const bytes = await Promise.all(processes.map(({ pid }) => residentBytes(pid)))
    const { predictions, missing, duplicates } = judge.figures()
    target.write(`${[elapsed, ...bytes.map((one) => one ?? ''), predictions, missing, duplicates].join(',')}\n`)
  }
  void sample()
  const timer = setInterval(sample, everyMs)
  return () => {
    clearInterval(timer)
    target.end()
  }
}
