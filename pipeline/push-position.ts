/** How far a worker has read the models topic, in a small file of its store: the bytes of what it has stored need not come again. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SourceRecord } from '../stages/ports.js'

export interface PushPosition {
  /** the next to read */
  readonly offset: number
  /** what the record before it was: a topic that was made anew has another one there */
  readonly last: string
}

type Marked = Pick<SourceRecord, 'offset' | 'timestamp' | 'key'>

export const positionAfter = ({ offset, timestamp, key }: Marked): PushPosition => ({
  offset: offset + 1,
  last: `${timestamp} ${key?.toString('latin1')}`,
})

/** Whether the record is the one that was read last. */
export const isLastOf = (position: PushPosition, record: Marked): boolean => {
  const { offset, last } = positionAfter(record)
  return offset === position.offset && last === position.last
}

// A leading dot keeps it out of every listing of bundles.
const pathOf = (directory: string, topic: string) => join(directory, `.read-${topic}`)

export const readPosition = async (directory: string, topic: string): Promise<PushPosition | undefined> => {
  const text = await readFile(pathOf(directory, topic), 'utf8').catch(() => '')
  const [, offset, last] = /^(\d{1,15})\n(.+)$/s.exec(text) ?? []
  return offset === undefined || last === undefined ? undefined : { offset: Number(offset), last }
}

/** Where it cannot be written, everything is read again after the next start. */
export const writePosition = (directory: string, topic: string, { offset, last }: PushPosition): Promise<void> =>
  writeFile(pathOf(directory, topic), `${offset}\n${last}`).catch(() => undefined)
