/** How far a long command is, on one line of standard error that moves; silent where nobody watches. */
import cliProgress from 'cli-progress'
import { count } from './format.js'
import type { Output } from './output.js'

export interface Progress {
  /** `part`: from 0 to 1, where the end is known. */
  update(done: number, part: number | undefined, remark: string): void
  /** Writes a line above. */
  note(line: string): void
  close(): void
}

const width = 24
const everyMs = 100

export const createProgress = (output: Output, what: string): Progress => {
  if (!output.liveErrors) return { update: () => undefined, note: output.note, close: () => undefined }
  const { colors, stderr } = output
  const began = performance.now()
  const bar = new cliProgress.SingleBar({
    stream: stderr,
    fps: 10,
    hideCursor: true,
    clearOnComplete: true,
    stopOnComplete: false,
    format: (_, __, { done, part, remark }: { done: number; part: number | undefined; remark: string }) => {
      const rate = (done * 1000) / Math.max(1, performance.now() - began)
      const filled = part === undefined ? 0 : Math.round(Math.min(1, part) * width)
      const drawn =
        part === undefined
          ? ''
          : `${colors.green('█'.repeat(filled))}${colors.dim('░'.repeat(width - filled))} ${Math.floor(part * 100)} %  `
      return `${drawn}${colors.bold(count(done))} ${what}, ${count(rate)}/s${remark}`
    },
  })
  let at = 0
  let started = false
  const close = () => {
    if (started) bar.stop()
    started = false
  }
  return {
    update(done, part, remark) {
      if (performance.now() - at < everyMs) return
      at = performance.now()
      const payload = { done, part, remark }
      if (started) bar.update(done, payload)
      else bar.start(Number.MAX_SAFE_INTEGER, done, payload)
      started = true
    },
    note(line) {
      close()
      output.note(line)
    },
    close,
  }
}
