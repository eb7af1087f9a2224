import { createFramedReader } from './framed-reader.js'
import type { SchemaRegistry } from './registry.js'

export interface ValueReader {
  /**
   * Any framed value as a plain, JSON-able one: longs are numbers where they are safe and strings where not, bytes are base64, the branch of
   * a union is not named. Rejects with `Malformed`, which has a code of the error table and a reason, or with the registry's error.
   */
  read(value: Buffer): Promise<unknown>
}

export const createValueReader = (registry: Pick<SchemaRegistry, 'known' | 'fetch'>): ValueReader => ({
  read: createFramedReader(registry),
})
