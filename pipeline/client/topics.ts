import type { Kafka } from 'kafkajs'
import type { Config } from '../config.js'
import { createTopics, describeTopics, type TopicResult } from '../kafka/admin.js'
import { planTopics } from '../kafka/topic-plan.js'

export interface TopicOptions {
  /** of the input and of what is made from it; as an input that exists has, or 4 */
  readonly partitions?: number
  /** as the broker has it by default */
  readonly replicationFactor?: number
  /** largest record of the input, in bytes; as Kafka has it by default */
  readonly maxMessageBytes?: number
}

export interface CreatedTopic extends TopicResult {
  readonly partitions: number
}

export const defaultPartitions = 4

/** Creates the topics of a deployment that do not exist; the others are left as they are, and it is said where they differ. */
export const createDeploymentTopics = async (
  kafka: Kafka,
  { topics }: Pick<Config, 'topics'>,
  options: TopicOptions = {},
): Promise<CreatedTopic[]> => {
  const { input } = topics
  const partitions =
    options.partitions ?? (await describeTopics(kafka, [input])).get(input)?.partitions ?? defaultPartitions
  const plan = planTopics(topics, {
    partitions,
    replicationFactor: options.replicationFactor,
    inputMaxMessageBytes: options.maxMessageBytes,
  })
  const results = await createTopics(kafka, plan)
  return results.map((result, index) => ({ ...result, partitions: plan[index]!.partitions }))
}
