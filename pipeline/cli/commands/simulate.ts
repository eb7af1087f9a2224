import { type Command, Option } from 'commander'
import { MillraceError } from '../../../stages/errors.js'
import { between } from '../../between.js'
import { type Arrival, type SimulatedModel, simulate } from '../../simulate.js'
import { type Context, contextOf } from '../context.js'
import { examples, numberFromZero, positiveNumber, wholeNumber } from '../options.js'
import type { Session } from '../session.js'
import { type ProfileTable, readProfile, readTrace } from '../simulation-files.js'
import { describeSimulation, summarise } from '../simulation-text.js'

interface SimulateFlags {
  readonly profile: string
  readonly fallback?: string
  readonly trace?: string
  readonly rate: number
  readonly seconds: number
  readonly partitions: number
  readonly deadlineMs: number
  readonly class: string
  readonly afterMs: number
  readonly maxRecords: number
  readonly maxDelayMs: number
}

/** What a trace says of itself. */
const steadily = (flags: string, what: string, parse: (text: string) => number, usual: number) =>
  new Option(flags, what).argParser(parse).default(usual).conflicts('trace')

export const addSimulate = (program: Command, session: Session): void => {
  const command = program
    .command('simulate')
    .summary('what would come in time')
    .description(
      'Sends a trace, or a steady rate, through the scheduling of the pipe on a virtual clock, with a model that takes what its profile says. ' +
        'A trace has one record a line: {"at": ms, "partition": n, "deadlineMs": ms, if it has less than the others}.',
    )
    .requiredOption('--profile <file>', 'what `millrace profile --json` has written')
    .option('--fallback <file>', 'the same of a faster bundle: it answers what the model cannot have ready in time')
    .option('--trace <file>', 'JSON lines; a steady rate by default')
    .addOption(steadily('--rate <number>', 'records a second', positiveNumber, 1_000))
    .addOption(steadily('--seconds <number>', 'for so long', positiveNumber, 10))
    .addOption(steadily('--partitions <number>', 'in turn', wholeNumber(1, 10_000), 4))
    .option('--deadline-ms <ms>', 'from the time of a record', positiveNumber, 100)
    .option('--class <class>', 'soft or firm', 'firm')
    .option('--after-ms <ms>', 'from scored to acknowledged', numberFromZero, 5)
    .option('--max-records <number>', 'of a micro-batch', wholeNumber(1, 1 << 16), 2_048)
    .option('--max-delay-ms <ms>', 'of a micro-batch', wholeNumber(0, 60_000), 1)
    .action((flags: SimulateFlags) => run(contextOf(session, command), flags))
  examples(
    command,
    ['millrace simulate --profile mine.json --rate 20000 --deadline-ms 50', 'would it keep up?'],
    ['millrace simulate --profile mine.json --fallback small.json --rate 20000', '… with a fallback?'],
    ['millrace simulate --profile mine.json --trace rush-hour.jsonl --json', 'a trace of your own, for a script'],
  )
}

const run = async (context: Context, flags: SimulateFlags): Promise<void> => {
  const kind = flags.class
  if (kind !== 'soft' && kind !== 'firm') throw new MillraceError('usage', `--class ${kind}: soft or firm`)
  if (kind === 'soft' && flags.fallback !== undefined)
    throw new MillraceError('usage', '--fallback: a soft deadline has no use for one')
  const { deadlineMs, afterMs, maxRecords, maxDelayMs } = flags
  const modelOf = async (path: string): Promise<SimulatedModel> => {
    const table = await readProfile(path)
    const likelyMs = (rows: number) => between(table, rows, 'p50Ms')
    const mostMs = (rows: number) => between(table, rows, 'p99Ms')
    return { costs: { likelyMs, mostMs, afterMs }, takesMs: takes(table) }
  }
  const model = await modelOf(flags.profile)
  const fallback = flags.fallback === undefined ? {} : { fallback: await modelOf(flags.fallback) }
  const trace = flags.trace === undefined ? steady(flags) : await readTrace(flags.trace)
  const simulated = simulate(trace, {
    ...model,
    ...fallback,
    rule: { class: kind, ms: deadlineMs },
    limits: { maxRecords, maxDelayMs, maxBytes: Number.MAX_SAFE_INTEGER },
    concurrency: 2,
    afterMs: () => afterMs,
  })
  const summary = summarise(simulated, flags.fallback !== undefined)
  context.output.result(summary, () => describeSimulation(summary, context.output.colors))
}

/** One batch in fifty takes as long as one in a hundred may. */
const takes = (table: ProfileTable) => {
  let batches = 0
  return (rows: number) => between(table, rows, ++batches % 50 === 0 ? 'p99Ms' : 'p50Ms')
}

const steady = ({ rate, seconds, partitions }: SimulateFlags): Arrival[] =>
  Array.from({ length: Math.round(rate * seconds) }, (_, index) => ({
    at: (1_000 * index) / rate,
    partition: index % partitions,
  }))
