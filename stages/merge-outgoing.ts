import type { Encoded, Outgoing, OutgoingRecord } from './ports.js'

/** The records of several batches, grouped by topic and partition, in order. A single batch is handed on as it is. */
export function mergeOutgoing(batches: readonly Encoded[]): readonly Outgoing[] {
  if (batches.length === 1) return batches[0]!.outgoing
  const groups = new Map<string, { kind: Outgoing['kind']; partition: number; lists: (readonly OutgoingRecord[])[] }>()
  for (const { outgoing } of batches) {
    for (const { kind, partition, records } of outgoing) {
      const key = `${kind}/${partition}`
      const group = groups.get(key)
      if (group) group.lists.push(records)
      else groups.set(key, { kind, partition, lists: [records] })
    }
  }
  return Array.from(groups.values(), ({ kind, partition, lists }) => ({
    kind,
    partition,
    records: lists.length === 1 ? lists[0]! : lists.flat(),
  }))
}
