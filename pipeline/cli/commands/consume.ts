import type { Command } from 'commander'
import { MillraceError } from '../../../stages/errors.js'
import type { SourceRecord } from '../../../stages/ports.js'
import { createMessageCodec } from '../../avro/message-codec.js'
import type { SchemaRegistry } from '../../avro/registry.js'
import { withRegistry } from '../../client/registry.js'
import { type ReadTopicOptions, readTopic } from '../../kafka/topic-reader.js'
import { type Context, contextOf } from '../context.js'
import { examples, wholeNumber } from '../options.js'
import { createPredictionTable } from '../prediction-table.js'
import { createRecordLine } from '../record-lines.js'
import type { Session } from '../session.js'

interface ConsumeFlags {
  readonly follow?: boolean
  readonly fromBeginning?: boolean
  readonly last?: number
  readonly max?: number
  readonly table?: boolean
  readonly topic?: string
}

interface Printer {
  print(partition: number, record: SourceRecord): Promise<void>
  close(): void
}

export const addConsume = (program: Command, session: Session): void => {
  const command = program
    .command('consume')
    .summary('read predictions')
    .description(
      'Prints the predictions of a deployment as lines of JSON: those that are there, or with --follow those that come. Reads all partitions ' +
        'without joining a group, and commits nothing.',
    )
    .option('--follow', 'go on until Ctrl-C; begins with what comes next')
    .option('--from-beginning', 'begin with the first there is (the default without --follow)')
    .option('--last <n>', 'begin with the newest n of each partition', wholeNumber(0))
    .option('--max <n>', 'end after so many', wholeNumber(1))
    .option('--table', 'a table for people; it moves on a terminal')
    .option('--topic <name>', 'another topic: every record with its key, headers and value')
    .action((flags: ConsumeFlags) => run(contextOf(session, command), flags))
  examples(
    command,
    ['millrace consume --deployment digits --follow --table', 'watch'],
    ['millrace consume --last 1', 'the newest prediction of each partition'],
    ['millrace consume --from-beginning --follow --max 1000 > predictions.jsonl', 'the first thousand, waited for'],
    ['millrace consume --topic digits.dead-letter', 'what could not be scored, with the reason in the headers'],
  )
}

const run = async (context: Context, flags: ConsumeFlags): Promise<void> => {
  if (flags.table && flags.topic) throw new MillraceError('usage', '--table shows predictions, not --topic')
  const { config } = await context.loadConfig(flags.topic === undefined ? {} : { deployment: 'none' })
  const topic = flags.topic ?? config.topics.predictions
  const kafka = await context.kafka(config)
  await withRegistry(context, config, async (registry) => {
    const printer = printerFor(context, flags, registry)
    const reading = readTopic(kafka, topic, {
      from: startOf(flags),
      follow: flags.follow ?? false,
      signal: context.signal,
      onState: (state, detail) => context.output.note(state === 'waiting' ? `waiting: ${detail}` : 'reading again'),
    })
    let left = flags.max ?? Number.POSITIVE_INFINITY
    try {
      for await (const { partition, records } of reading) {
        for (const record of records) {
          if (context.signal.aborted) return
          await printer.print(partition, record)
          left -= 1
          if (left === 0) return
        }
      }
    } finally {
      printer.close()
    }
  })
}

const startOf = ({ follow, fromBeginning, last }: ConsumeFlags): ReadTopicOptions['from'] => {
  if (last !== undefined) return { last }
  return fromBeginning || !follow ? 'beginning' : 'end'
}

const printerFor = ({ output }: Context, flags: ConsumeFlags, registry: SchemaRegistry): Printer => {
  if (flags.topic !== undefined) {
    const line = createRecordLine(flags.topic, registry)
    return { print: async (partition, record) => output.write(await line(partition, record)), close: () => undefined }
  }
  const { decodePrediction } = createMessageCodec(registry)
  const table = flags.table && !output.json ? createPredictionTable(output) : undefined
  return {
    print: async (_, { value }) => {
      const prediction = await decodePrediction(value ?? Buffer.alloc(0))
      await (table ? table.add(prediction) : output.write(JSON.stringify(prediction)))
    },
    close: () => table?.close(),
  }
}
