import { type Command, Option } from 'commander'
import { MillraceError } from '../../../stages/errors.js'
import type { SchemaRegistry } from '../../avro/registry.js'
import { settles } from '../../backoff.js'
import { openOutbox } from '../../client/outbox.js'
import { createValueEncoder, type ValueEncoder } from '../../client/record-encoding.js'
import { withRegistry } from '../../client/registry.js'
import { type Context, contextOf } from '../context.js'
import { count, duration, plural } from '../format.js'
import { openInput } from '../input-file.js'
import type { BadLine, InputFormat } from '../input-records.js'
import { examples, positiveNumber, wholeNumber } from '../options.js'
import { createProgress } from '../progress.js'
import { guessSchema } from '../schema-guess.js'
import { sendRecords } from '../send-records.js'
import type { Session } from '../session.js'
import { type ValueSchema, valueSchema } from '../value-schema.js'

interface ProduceFlags {
  readonly topic?: string
  readonly format?: InputFormat
  readonly schema?: string
  readonly key?: string
  readonly rate?: number
  readonly loop?: boolean
  readonly limit?: number
  readonly skipBad?: boolean
}

/** what is shown of bad lines with --json */
const mostBadListed = 100
const flushLimitMs = 15_000

export const addProduce = (program: Command, session: Session): void => {
  const command = program
    .command('produce')
    .summary('send records to the input topic')
    .description(
      'Sends records from JSON lines or CSV to the input topic, as Avro in the Confluent wire format. The schema is the one given, else the ' +
        'latest registered for the topic, else the .avsc beside the file, else one guessed from the first records. Ctrl-C sends what was ' +
        'read and ends.',
    )
    .argument('[file]', 'a .jsonl or .csv file; standard input without one')
    .option('--topic <name>', 'another topic than the input of the deployment')
    .addOption(new Option('--format <format>', 'of the file, where its name does not tell').choices(['json', 'csv']))
    .option('--schema <file.avsc>', 'Avro schema to register and to write with')
    .option('--key <field>', 'the field whose text is the key: the same key, the same partition')
    .option('--rate <n>', 'records a second', positiveNumber)
    .option('--loop', 'begin again at the end of the file')
    .option('--limit <n>', 'end after so many', wholeNumber(1))
    .option('--skip-bad', 'name lines that are no records, and go on')
    .action((file: string | undefined, flags: ProduceFlags) => run(contextOf(session, command), file, flags))
  examples(
    command,
    ['millrace produce models/data/digits.jsonl --deployment digits --key id', 'every scan once, as fast as it goes'],
    ['millrace produce models/data/biopsy.csv --deployment biopsy --rate 50 --loop', 'fifty a second until Ctrl-C'],
    [
      `jq -c .payload events.json | millrace produce --topic payments --schema payment.avsc`,
      'from another program, with a schema',
    ],
  )
}

const run = async (context: Context, file: string | undefined, flags: ProduceFlags): Promise<void> => {
  if (flags.loop && file === undefined) throw new MillraceError('usage', '--loop needs a file: standard input ends')
  const { config } = await context.loadConfig(flags.topic === undefined ? {} : { deployment: 'none' })
  const topic = flags.topic ?? config.topics.input
  const kafka = await context.kafka(config)
  await withRegistry(context, config, (registry) => produce(context, file, flags, { topic, kafka, registry }))
}

interface Target {
  readonly topic: string
  readonly kafka: Awaited<ReturnType<Context['kafka']>>
  readonly registry: SchemaRegistry
}

const produce = async (
  { output, signal, ...context }: Context,
  file: string | undefined,
  flags: ProduceFlags,
  { topic, kafka, registry }: Target,
): Promise<void> => {
  const input = await openInput({ output, signal, ...context }, file, flags.format)
  const progress = createProgress(output, 'records')
  const outbox = await openOutbox({
    kafka,
    topic,
    onState: (state, detail) => progress.note(state === 'waiting' ? `waiting: ${detail}` : 'sending again'),
  })
  const began = performance.now()
  const listed: BadLine[] = []
  let bad = 0
  let chosen: ValueSchema | undefined
  let encoder: ValueEncoder | undefined
  try {
    await sendRecords({
      ...flags,
      input,
      outbox,
      signal,
      encoderFor: async (sample) => {
        chosen = await valueSchema(registry, {
          topic,
          given: flags.schema,
          beside: file?.replace(/\.[^./\\]+$/, '.avsc'),
          guess: () =>
            guessSchema(
              sample.map(({ fields }) => fields),
              topic,
              input.format,
            ),
        })
        encoder = createValueEncoder(chosen.schema, chosen.id, input.format)
        return encoder
      },
      onBad: (line) => {
        bad += 1
        if (listed.length < mostBadListed) listed.push(line)
        if (flags.skipBad) progress.note(`${input.name}:${line.line}: ${line.problem}`)
      },
      onProgress: (records, part) => progress.update(records, part, bad === 0 ? '' : `, ${plural(bad, 'bad line')}`),
    })
  } finally {
    // What was read before Ctrl-C or a bad line is sent.
    const flushed = outbox.flush()
    const inTime = await settles(flushed, flushLimitMs)
    progress.close()
    await outbox.close()
    if (inTime) await flushed
  }
  const ms = performance.now() - began
  const result = {
    topic,
    records: outbox.acknowledged,
    bad,
    badLines: listed,
    schema: chosen && { subject: chosen.subject, id: chosen.id, origin: chosen.origin },
    leftOut: [...(encoder?.leftOut ?? [])],
    seconds: Number((ms / 1000).toFixed(3)),
    interrupted: signal.aborted,
  }
  output.result(result, () => describe(result, ms))
}

const describe = (
  {
    topic,
    records,
    bad,
    schema,
    leftOut,
  }: {
    topic: string
    records: number
    bad: number
    schema?: Pick<ValueSchema, 'subject' | 'id' | 'origin'>
    leftOut: readonly string[]
  },
  ms: number,
): string =>
  [
    `${plural(records, 'record')} to ${topic} in ${duration(ms)}, ${count((records * 1000) / Math.max(ms, 1))}/s`,
    ...(schema ? [`schema ${schema.id} of ${schema.subject} (${schema.origin})`] : []),
    ...(bad > 0 ? [`${plural(bad, 'bad line')} left out`] : []),
    ...(leftOut.length > 0 ? [`fields that the schema does not have are left out: ${leftOut.join(', ')}`] : []),
  ].join('\n')
