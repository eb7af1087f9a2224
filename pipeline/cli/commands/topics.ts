import type { Command } from 'commander'
import { type CreatedTopic, createDeploymentTopics, defaultPartitions, type TopicOptions } from '../../client/topics.js'
import { type Context, contextOf } from '../context.js'
import { examples, wholeNumber } from '../options.js'
import { type Colors, table } from '../output.js'
import type { Session } from '../session.js'
import { addTopicsAcls } from './topics-acls.js'

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
    .action((flags: TopicOptions) => run(contextOf(session, create), flags))
  examples(
    create,
    ['millrace topics create --deployment digits', 'the topics digits.input, digits.predictions, …'],
    ['millrace topics create --deployment digits --partitions 12 --replication-factor 3', 'for a cluster'],
    ['millrace topics create --deployment fraud --set topics.input=payments', 'beside an input topic that exists'],
  )
  addTopicsAcls(topics, session)
}

const run = async (context: Context, flags: TopicOptions): Promise<void> => {
  const { config } = await context.loadConfig()
  const topics = await createDeploymentTopics(await context.kafka(config), config, flags)
  context.output.result({ deployment: config.deployment, topics }, () => show(topics, context.output.colors))
}

const show = (topics: readonly CreatedTopic[], colors: Colors): string =>
  table(
    ['topic', 'partitions', 'result'],
    topics.map(({ topic, partitions, result, detail }) => [
      topic,
      String(partitions),
      result === 'differs'
        ? colors.yellow(`left as it is: ${detail}`)
        : result === 'created'
          ? colors.green(result)
          : result,
    ]),
    { colors, align: ['left', 'right'] },
  )
