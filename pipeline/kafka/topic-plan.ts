/** The topics of a deployment and how they must be set up: design.md §2 as data. */

export interface TopicPlan {
  readonly topic: string
  readonly partitions: number
  /** -1: as the broker has it by default */
  readonly replicationFactor: number
  /** settings that matter; everything else is the broker's default */
  readonly config: Readonly<Record<string, string>>
}

export interface PlanNames {
  readonly input: string
  readonly predictions: string
  readonly control: string
  readonly events: string
  readonly fences: string
  readonly models: string
  readonly deadLetter: string
  readonly late: string
  readonly shadow: string
}

export interface PlanOptions {
  /** partitions of the input, and so of what is made from it */
  readonly partitions: number
  readonly replicationFactor?: number
  /** `max.message.bytes` of the input; 1 MiB and a little by default, as Kafka has it */
  readonly inputMaxMessageBytes?: number
}

const kafkaDefaultMaxMessageBytes = 1_048_588
/** A dead letter is its input record and headers that say why. */
const deadLetterHeadroomBytes = 64 * 1024
/** chunks of bundles are at most 512 KiB */
const chunkMaxMessageBytes = 1024 * 1024

const forever = { 'retention.ms': '-1', 'retention.bytes': '-1' }

export const planTopics = (names: PlanNames, options: PlanOptions): TopicPlan[] => {
  const { partitions, replicationFactor = -1, inputMaxMessageBytes = kafkaDefaultMaxMessageBytes } = options
  const plan = (topic: string, count: number, config: Record<string, string> = {}): TopicPlan => ({
    topic,
    partitions: count,
    replicationFactor,
    config,
  })
  return [
    plan(
      names.input,
      partitions,
      options.inputMaxMessageBytes === undefined ? {} : { 'max.message.bytes': String(inputMaxMessageBytes) },
    ),
    plan(names.predictions, partitions),
    plan(names.deadLetter, partitions, { 'max.message.bytes': String(inputMaxMessageBytes + deadLetterHeadroomBytes) }),
    plan(names.late, partitions),
    plan(names.shadow, partitions),
    plan(names.control, 1, forever),
    plan(names.events, 1),
    plan(names.fences, 1, { 'cleanup.policy': 'compact' }),
    plan(names.models, 1, { ...forever, 'max.message.bytes': String(chunkMaxMessageBytes) }),
  ]
}
