import kafkajs, { type Kafka } from 'kafkajs'
import { withAdmin } from './admin.js'

export interface GroupMember {
  readonly memberId: string
  readonly clientId: string
  readonly host: string
  readonly partitions: readonly number[]
}

export interface PartitionStatus {
  readonly partition: number
  /** null: nothing was committed yet */
  readonly committed: number | null
  readonly first: number
  readonly end: number
  /** offsets between what is committed (or the first there is) and the end */
  readonly lag: number
}

export interface GroupStatus {
  readonly groupId: string
  /** as the broker calls it: Stable, PreparingRebalance, Empty, Dead, … */
  readonly state: string
  readonly members: readonly GroupMember[]
  readonly partitions: readonly PartitionStatus[]
}

/** The client ids of who is in the group now. Errors: `broker-unreachable`, `not-authorized`. */
export const groupMembers = (kafka: Kafka, groupId: string): Promise<string[]> =>
  withAdmin(kafka, async (admin) => {
    const { groups } = await admin.describeGroups([groupId])
    return (groups[0]?.members ?? []).map(({ clientId }) => clientId)
  })

/** Who reads `topic` in the group and how far. Errors: `topic-missing`, `broker-unreachable`, `not-authorized`. */
export const groupStatus = (kafka: Kafka, groupId: string, topic: string): Promise<GroupStatus> =>
  withAdmin(kafka, async (admin) => {
    const ends = await admin.fetchTopicOffsets(topic)
    const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] })
    const { groups } = await admin.describeGroups([groupId])
    const [group] = groups
    const offsets = new Map(committed?.partitions.map(({ partition, offset }) => [partition, Number(offset)]))
    return {
      groupId,
      state: group?.state ?? 'Dead',
      members: (group?.members ?? []).map(({ memberId, clientId, clientHost, memberAssignment }) => ({
        memberId,
        clientId,
        host: clientHost.replace(/^\//, ''),
        partitions: assignedPartitions(memberAssignment, topic),
      })),
      partitions: ends
        .map(({ partition, low, high }) => {
          const at = offsets.get(partition) ?? -1
          const [first, end] = [Number(low), Number(high)]
          return {
            partition,
            committed: at < 0 ? null : at,
            first,
            end,
            lag: Math.max(0, end - Math.max(at, first)),
          }
        })
        .sort((one, other) => one.partition - other.partition),
    }
  })

const assignedPartitions = (assignment: Buffer, topic: string): number[] => {
  if (assignment.length === 0) return []
  const decoded = kafkajs.AssignerProtocol.MemberAssignment.decode(assignment)
  return [...(decoded?.assignment[topic] ?? [])].sort((one, other) => one - other)
}
