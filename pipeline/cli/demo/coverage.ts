/** Which records of the input were answered, and which more than once. */

export interface Coverage {
  /** records that were sent */
  readonly sent: number
  /** records that were answered at least once */
  readonly answered: number
  /** answers beyond the first */
  readonly duplicates: number
  /** records that were sent and not answered yet */
  readonly open: number
  /** `records` more are in the partition, which was empty at the beginning. */
  send(partition: number, records: number): void
  /** Whether this is the first answer to the record at `offset`. */
  answer(partition: number, offset: number): boolean
}

interface Partition {
  /** the offset that the next record gets */
  end: number
  /** every record below was answered, but for the skipped */
  next: number
  readonly skipped: Set<number>
}

/**
 * Answers of a partition come in the order of its records, so that what is kept is a number each, and the offsets that were passed over:
 * of those there are never more than open records, which whoever sends has to limit.
 */
export const createCoverage = (): Coverage => {
  const partitions = new Map<number, Partition>()
  let [sent, answered, duplicates] = [0, 0, 0]

  const at = (number: number): Partition => {
    let partition = partitions.get(number)
    if (!partition) {
      partition = { end: 0, next: 0, skipped: new Set() }
      partitions.set(number, partition)
    }
    return partition
  }

  return {
    get sent() {
      return sent
    },
    get answered() {
      return answered
    },
    get duplicates() {
      return duplicates
    },
    get open() {
      return sent - answered
    },
    send(number, records) {
      at(number).end += records
      sent += records
    },
    answer(number, offset) {
      const partition = at(number)
      if (offset < partition.next && !partition.skipped.delete(offset)) {
        duplicates += 1
        return false
      }
      for (; partition.next < offset; partition.next++) partition.skipped.add(partition.next)
      partition.next = Math.max(partition.next, offset + 1)
      answered += 1
      return true
    },
  }
}
