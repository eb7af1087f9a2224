/** The log: pino, one event a line, on the stream given. JSON for machines; on a terminal a short line for people. */

import pc from 'picocolors'
import { pino } from 'pino'

export type Logger = pino.Logger

export interface LoggerOptions {
  /** fatal, error, warn, info, debug, trace, silent */
  readonly level: string
  /** short lines instead of JSON */
  readonly pretty: boolean
  readonly colors: boolean
  readonly stream: { write(text: string): unknown }
}

const secret = ['password', 'token'].flatMap((name) => ['', '*.', '*.*.', '*.*.*.'].map((above) => above + name))

/** Nothing is held back: a line is with the stream when the call returns. Secrets of the configuration are blotted out. */
export const createLogger = ({ level, pretty, colors, stream }: LoggerOptions): Logger =>
  pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secret, censor: '…' },
    },
    pretty
      ? { write: (line: string) => stream.write(`${prettyLine(line, pc.createColors(colors))}\n`) }
      : (stream as pino.DestinationStream),
  )

/** `20:31:07.123 warn  the message  name=value …`; an error as its message. */
export const prettyLine = (json: string, colors: ReturnType<typeof pc.createColors>): string => {
  const { level, time, msg, err, ...rest } = JSON.parse(json) as Record<string, unknown>
  const paint = { fatal: colors.red, error: colors.red, warn: colors.yellow, info: colors.green }[String(level)]
  const pairs = Object.entries({ ...rest, ...(err ? { err: (err as { message?: unknown }).message } : {}) })
    .map(([name, value]) => `${colors.dim(`${name}=`)}${plain(value)}`)
    .join(' ')
  const head = `${colors.dim(String(time).slice(11, 23))} ${(paint ?? colors.dim)(String(level).padEnd(5))} ${msg ?? ''}`
  return pairs === '' ? head : `${head}  ${pairs}`
}

const plain = (value: unknown): string => {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const line = text.replace(/\p{Cc}+/gu, ' ')
  return /^[^\s=]+$/.test(line) ? line : JSON.stringify(line)
}
