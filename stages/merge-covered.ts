import type { Covered } from './ports.js'

/** Joins ranges of one partition that touch, in order. Ranges that do not touch stay apart. */
export function mergeCovered(ranges: readonly Covered[]): Covered[] {
  const merged: { topic: string; partition: number; start: number; next: number }[] = []
  for (const { topic, partition, start, next } of ranges) {
    const before = merged.find((one) => one.next === start && one.partition === partition && one.topic === topic)
    if (before) before.next = next
    else merged.push({ topic, partition, start, next })
  }
  return merged
}
