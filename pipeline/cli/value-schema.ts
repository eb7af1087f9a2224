/** Which schema the values of a topic are written with, and its id in the registry. */
import { readFile } from 'node:fs/promises'
import { MillraceError } from '../../stages/errors.js'
import type { SchemaRegistry } from '../avro/registry.js'

export interface ValueSchema {
  readonly subject: string
  readonly id: number
  readonly schema: unknown
  readonly origin: 'given' | 'registered' | 'beside the file' | 'guessed'
}

export interface SchemaChoice {
  readonly topic: string
  /** a .avsc file that the user names */
  readonly given?: string
  /** a .avsc file that may lie beside the data */
  readonly beside?: string
  /** last resort */
  readonly guess: () => unknown
}

/** The given schema, else the latest of the topic, else the one beside the data, else a guess; registered where the registry has none. */
export const valueSchema = async (registry: SchemaRegistry, choice: SchemaChoice): Promise<ValueSchema> => {
  const subject = `${choice.topic}-value`
  const register = async (schema: unknown, origin: ValueSchema['origin']) => ({
    subject,
    id: await registry.register(subject, schema),
    schema,
    origin,
  })
  if (choice.given !== undefined) return register(await readSchema(choice.given), 'given')
  const latest = await registry.latest(subject)
  if (latest) return { subject, id: latest.id, schema: latest.schema, origin: 'registered' }
  if (choice.beside !== undefined) {
    const text = await readFile(choice.beside, 'utf8').catch(() => undefined)
    if (text !== undefined) return register(parse(choice.beside, text), 'beside the file')
  }
  return register(choice.guess(), 'guessed')
}

const readSchema = async (path: string): Promise<unknown> => {
  try {
    return parse(path, await readFile(path, 'utf8'))
  } catch (cause) {
    if (cause instanceof MillraceError) throw cause
    throw new MillraceError('file-unreadable', `${path}: ${(cause as Error).message}`, { cause })
  }
}

const parse = (path: string, text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new MillraceError('file-unreadable', `${path}: not JSON: ${(cause as Error).message}`, { cause })
  }
}
