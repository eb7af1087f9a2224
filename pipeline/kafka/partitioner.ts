import kafkajs from 'kafkajs'

/** The partition of a record: by its key, as Kafka's own producers choose it (murmur2); without a key, one after the other. */
export const createPartitioner = (partitions: number): ((key: Buffer | null) => number) => {
  const byKey = kafkajs.Partitioners.DefaultPartitioner()
  const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({
    partitionId,
    leader: 0,
    partitionErrorCode: 0,
    replicas: [],
    isr: [],
  }))
  let next = 0
  return (key) => {
    if (key !== null) return byKey({ topic: '', partitionMetadata, message: { key, value: null } })
    const partition = next
    next = (next + 1) % partitions
    return partition
  }
}
