/** The loop of `produce`: read, encode, send, at a pace, within bounds. */
import { MillraceError } from '../../stages/errors.js'
import type { Outbox } from '../client/outbox.js'
import { keyText } from '../client/producing.js'
import type { ValueEncoder } from '../client/record-encoding.js'
import type { InputFile } from './input-file.js'
import { type BadLine, type InputRecord, isBad, readRecords } from './input-records.js'
import { createPace } from './pace.js'

export interface SendOptions {
  readonly input: InputFile
  readonly outbox: Outbox
  /** asked once, with the first records there are */
  readonly encoderFor: (sample: readonly InputRecord[]) => Promise<ValueEncoder>
  /** the field whose text is the key */
  readonly key?: string
  /** records a second */
  readonly rate?: number
  readonly limit?: number
  /** begin again at the end */
  readonly loop?: boolean
  /** go on after a bad line; otherwise the first ends it with `record-invalid` */
  readonly skipBad?: boolean
  readonly onBad: (bad: BadLine) => void
  /** after each record; `part` from 0 to 1 where the end is known */
  readonly onProgress: (records: number, part: number | undefined) => void
  /** ends it early, without an error */
  readonly signal: AbortSignal
}

/** Resolves with the number of records handed to the outbox, which may still be on their way. */
export const sendRecords = async (options: SendOptions): Promise<number> => {
  const { input, outbox, signal, limit } = options
  const pace = options.rate === undefined ? undefined : createPace(options.rate, signal)
  let encoder: ValueEncoder | undefined
  let records = 0
  const ended = () => signal.aborted || records === limit

  const sendOne = async (one: InputRecord) => {
    const key = options.key === undefined ? null : keyText(one.fields, options.key)
    const value = encoder!.encode(one.fields)
    const due = pace?.()
    if (due) await due
    if (signal.aborted) return
    const room = outbox.add({ key, value, headers: undefined, timestamp: Date.now() })
    if (room) await room
    records += 1
  }
  const refuse = ({ line, problem }: BadLine, cause?: unknown) => {
    options.onBad({ line, problem })
    if (!options.skipBad) throw new MillraceError('record-invalid', `${input.name}:${line}: ${problem}`, { cause })
  }

  /** Once through the input; whether there was anything in it. */
  const pass = async (): Promise<boolean> => {
    const stream = input.open()
    const stop = () => void stream.destroy()
    signal.addEventListener('abort', stop, { once: true })
    const part = () => {
      if (limit !== undefined) return records / limit
      return options.loop || input.size === undefined ? undefined : (stream.bytesRead ?? 0) / input.size
    }
    let any = false
    try {
      for await (const lines of readRecords(stream, input.format)) {
        const good = lines.filter((line): line is InputRecord => !isBad(line))
        if (good.length > 0) encoder ??= await options.encoderFor(good)
        for (const line of lines) {
          if (ended()) return false
          if (isBad(line)) refuse(line)
          else {
            try {
              await sendOne(line)
              any = true
            } catch (error) {
              if (!(error instanceof MillraceError) || error.code !== 'record-invalid') throw error
              refuse({ line: line.line, problem: error.detail }, error)
            }
          }
          options.onProgress(records, part())
        }
      }
    } catch (error) {
      // A stream that is destroyed while it is read says so.
      if (!signal.aborted) throw error
    } finally {
      stop()
      signal.removeEventListener('abort', stop)
    }
    return any
  }

  while ((await pass()) && options.loop && !ended());
  return records
}
