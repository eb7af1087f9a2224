import type { Generation, SourceRecord } from './ports.js'

/**
 * Which of a canary's two models scores a record: a function of its key alone, so that a key stays with its model, also when it is scored
 * again. Records without a key are told apart by partition and offset. FNV-1a with a final mix, since keys are often alike but for their end.
 */
export function armOf(generation: Generation, partition: number, record: SourceRecord): Generation {
  const { canary } = generation
  if (!canary) return generation
  const { key } = record
  let hash = 0x811c9dc5
  if (key) for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key[i]!, 0x01000193)
  else hash = Math.imul(Math.imul(hash ^ partition, 0x01000193) ^ record.offset, 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) % 100 < canary.percent ? canary.generation : generation
}
