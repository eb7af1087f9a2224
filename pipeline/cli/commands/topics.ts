import type { Command } from 'commander'
import { createTopics, describeTopics, type TopicResult } from '../../kafka/admin.js'
import { planTopics, type TopicPlan } from '../../kafka/topic-plan.js'
import { type Context, contextOf } from '../context.js'
import { examples, wholeNumber } from '../options.js'
import { type Colors, table } from '../output.js'
import type { Session } from '../session.js'

interface CreateFlags {
  readonly partitions?: number
  readonly replicationFactor?: number
  readonly maxMessageBytes?: number
}

const defaultPartitions = 4

export const addTopics = (program: Command, session: Session): void => {
  const topics = program
    .command('topics')
    .summary('the topics of a deployment')
    .description('The topics of a deployment.')
  const create = topics
    .command('create')
    .summary('create what is missing')
    .description(
      'Creates the topics of a deployment: input, predictions, dead letters, late records, control, events, fences and models. What exists is ' +
        'left as it is, and named where it is set up otherwise than it should be. Safe to run again.',
    )
    .option(
      '--partitions <n>',
      `of the input and what is made from it (as the input has, or ${defaultPartitions})`,
      wholeNumber(1, 10_000),
    )
    .option('--replication-factor <n>', 'as the broker has it by default', wholeNumber(1, 100))
    .option('--max-message-bytes <n>', 'largest record of the input', wholeNumber(1024, 1 << 30))
    .action((flags: CreateFlags) => run(contextOf(session, create), flags))
  examples(
    create,
    ['millrace topics create --deployment digits', 'the topics digits.input, digits.predictions, …'],
    ['millrace topics create --deployment digits --partitions 12 --replication-factor 3', 'for a cluster'],
    ['millrace topics create --deployment fraud --set topics.input=payments', 'beside an input topic that exists'],
  )
}

const run = async (context: Context, flags: CreateFlags): Promise<void> => {
  const { config } = await context.loadConfig()
  const kafka = await context.kafka(config)
  const { input } = config.topics
  const partitions =
    flags.partitions ?? (await describeTopics(kafka, [input])).get(input)?.partitions ?? defaultPartitions
  const plan = planTopics(config.topics, {
    partitions,
    replicationFactor: flags.replicationFactor,
    inputMaxMessageBytes: flags.maxMessageBytes,
  })
  const results = await createTopics(kafka, plan)
  const topics = results.map((result, index) => ({ ...result, partitions: plan[index]!.partitions }))
  context.output.result({ deployment: config.deployment, topics }, () => show(plan, results, context.output.colors))
}

const show = (plan: readonly TopicPlan[], results: readonly TopicResult[], colors: Colors): string =>
  table(
    ['topic', 'partitions', 'result'],
    results.map(({ topic, result, detail }, index) => [
      topic,
      String(plan[index]!.partitions),
      result === 'differs'
        ? colors.yellow(`left as it is: ${detail}`)
        : result === 'created'
          ? colors.green(result)
          : result,
    ]),
    { colors, align: ['left', 'right'] },
  )
