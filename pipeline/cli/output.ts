/** How a command speaks: results on standard output, for people or (`--json`) for machines; everything else on standard error. */
import { once } from 'node:events'
import Table from 'cli-table3'
import pc from 'picocolors'
import type { Environment } from '../config-load.js'
import type { OutputStream, Session } from './session.js'

export type Colors = ReturnType<typeof pc.createColors>

export interface Output {
  readonly json: boolean
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  /** a person watches standard output: things may move there */
  readonly live: boolean
  /** a person watches standard error: a progress bar may move there */
  readonly liveErrors: boolean
  readonly colors: Colors
  /** Prints the result: `value` as one line of JSON, or the text. */
  result(value: unknown, text: () => string): void
  /** Prints one line of a stream; waits while the reader is slow. Does not wait for one that has gone. */
  write(line: string): Promise<void>
  /** One line on standard error, for people; nothing with --json. */
  note(line: string): void
}

export const createOutput = (
  session: Pick<Session, 'stdout' | 'stderr' | 'environment' | 'signal'>,
  json: boolean,
): Output => {
  const { stdout, stderr, signal } = session
  return {
    json,
    stdout,
    stderr,
    live: !json && stdout.isTTY === true,
    liveErrors: !json && stderr.isTTY === true,
    colors: pc.createColors(wantsColors(stdout, session.environment) && !json),
    result: (value, text) => void stdout.write(`${json ? JSON.stringify(value) : text()}\n`),
    write: async (line) => {
      if (stdout.write(`${line}\n`) || signal.aborted) return
      await once(stdout, 'drain', { signal }).catch(() => undefined)
    },
    note: (line) => {
      if (!json) stderr.write(`${line}\n`)
    },
  }
}

/** https://no-color.org and its counterpart. */
export const wantsColors = (stream: OutputStream, environment: Environment): boolean => {
  if (environment.NO_COLOR) return false
  if (environment.FORCE_COLOR) return environment.FORCE_COLOR !== '0'
  return stream.isTTY === true && environment.TERM !== 'dumb'
}

export type Align = 'left' | 'right'

/** Columns under a heading, without borders; `align` by column, left by default. */
export const table = (
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  { colors, align = [] }: { readonly colors: Colors; readonly align?: readonly Align[] },
): string => {
  const grid = new Table({
    head: heads.map((head) => colors.dim(head)),
    colAligns: heads.map((_, index) => align[index] ?? 'left'),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
    chars: Object.fromEntries(
      [
        ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
        ...['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid', 'middle'],
      ].map((name) => [name, '']),
    ),
  })
  grid.push(...rows.map((row) => [...row]))
  return grid
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}

/** Names and values, one pair a line. */
export const facts = (pairs: readonly (readonly [string, string])[], colors: Colors): string => {
  const width = Math.max(...pairs.map(([name]) => name.length))
  return pairs.map(([name, value]) => `${colors.dim(name.padEnd(width))}  ${value}`).join('\n')
}
