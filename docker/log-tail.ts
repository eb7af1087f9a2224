import { readFile, rename } from 'node:fs/promises'

/**
 * The line of a log that tells best why the program ended: the last one that speaks of an error, or else the last one
 * that is neither empty nor part of a stack trace. Empty when there is nothing.
 */
export async function lastMeaningfulLine(logFile: string): Promise<string> {
  const text = await readFile(logFile, 'utf8').catch(() => '')
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^(at |\.\.\. \d+ more)/.test(line))
  const telling = lines.findLast((line) => /\b(ERROR|FATAL|Error|error:|Caused by:)|Exception\b/.test(line))
  return (telling ?? lines.at(-1) ?? '').slice(0, 300)
}

/** What log lines say when there is no room left. */
export const noSpace = /No space left on device|ENOSPC|Disk quota exceeded/i
/** What Java says when a port is in use. */
export const portInUse = /Address already in use|BindException|already in use/i

export async function logMatches(logFile: string, pattern: RegExp): Promise<boolean> {
  return pattern.test(await readFile(logFile, 'utf8').catch(() => ''))
}

/** The log of the run before stays readable under another name. */
export async function keepLog(logFile: string): Promise<void> {
  await rename(logFile, `${logFile}.1`).catch(() => {})
}
