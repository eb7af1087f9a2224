import { type Command, Option } from 'commander'
import { MillraceError, rejects } from '../../../stages/errors.js'
import { withRegistry } from '../../client/registry.js'
import type { DeadLetter } from '../../dead-letter.js'
import { type Context, contextOf } from '../context.js'
import { type DeadLetterFilter, readDeadLetters } from '../dead-letters.js'
import { count, plural } from '../format.js'
import { collect, examples, wholeNumber } from '../options.js'
import { type Colors, table } from '../output.js'
import { createProgress } from '../progress.js'
import { createRecordLine } from '../record-lines.js'
import { replayDeadLetters } from '../replay.js'
import type { Session } from '../session.js'
import { pointInTime } from '../time.js'
import { addDeadLetterShow } from './dead-letter-show.js'

interface ListFlags extends DeadLetterFilter {
  readonly follow?: boolean
  readonly last?: number
  readonly count?: boolean
}

interface ReplayFlags extends DeadLetterFilter {
  readonly dryRun?: boolean
}

export const addDeadLetter = (program: Command, session: Session): void => {
  const group = program
    .command('dead-letter')
    .summary('records that could not be scored')
    .description('Records that could not be scored, with their bytes untouched and the reason beside them.')
  const since = () =>
    new Option('--since <time>', 'only from then on: 30m, 2h, 1d ago, or 2026-01-31T12:00Z').argParser(pointInTime)
  const codes = () => new Option('--code <code>', 'only with this code; may be repeated').argParser(collectCode)

  const list = group
    .command('list')
    .summary('which, and why')
    .description(
      'Lists what could not be scored: when, where it was in the input, why, and which model was to score it.',
    )
    .addOption(codes())
    .addOption(since())
    .option('--model <name@version>', 'only of this model')
    .option('--last <n>', 'only the newest n of each partition', wholeNumber(1))
    .option('--follow', 'go on with what comes, until Ctrl-C')
    .option('--count', 'how many by code and model, instead of each')
    .action((flags: ListFlags) => runList(contextOf(session, list), flags))
  examples(
    list,
    ['millrace dead-letter list --count --deployment digits', 'what goes wrong how often'],
    ['millrace dead-letter list --code field-missing --last 5', 'a few of one kind'],
    ['millrace dead-letter list --json | jq .value', 'the records themselves, decoded where that is possible'],
  )

  addDeadLetterShow(group, session)

  const replay = group
    .command('replay')
    .summary('send them to the input again')
    .description(
      'Sends dead letters to the input topic again, with their bytes, keys and own headers, to the partition they came from: after the schema, ' +
        'the model or the registry was mended. Each goes back once: what an earlier replay has sent is left out, also one that was killed. A record ' +
        'that fails again is a dead letter of its own. Headers millrace.replay.of and millrace.replay.input say, on the record and on its ' +
        'prediction, which dead letter it was and where the input had it first.',
    )
    .addOption(codes())
    .addOption(since())
    .option('--model <name@version>', 'only of this model')
    .option('--dry-run', 'say how many it would be')
    .action((flags: ReplayFlags) => runReplay(contextOf(session, replay), flags))
  examples(
    replay,
    ['millrace dead-letter replay --code unknown-schema', 'the registry knows the schema now'],
    ['millrace dead-letter replay --model digits@2 --dry-run', 'how many would that be?'],
  )
}

const collectCode = (code: string, before: readonly string[] | undefined): string[] => {
  if (!Object.hasOwn(rejects, code))
    throw new MillraceError('usage', `there is no code ${code}; there are ${Object.keys(rejects).join(', ')}`)
  return collect(code, before)
}

const runList = async (context: Context, flags: ListFlags): Promise<void> => {
  const { output, signal } = context
  if (flags.count && flags.follow) throw new MillraceError('usage', '--count ends, so it does not --follow')
  const { config } = await context.loadConfig()
  const topic = config.topics.deadLetter
  const reading = {
    from: flags.last === undefined ? 'beginning' : { last: flags.last },
    follow: flags.follow ?? false,
    signal,
  } as const
  const letters = readDeadLetters(await context.kafka(config), topic, reading, flags)
  if (flags.count) return counted(context, letters)
  await withRegistry(context, config, async (registry) => {
    const line = createRecordLine(topic, registry)
    let begun = false
    for await (const letter of letters) {
      if (signal.aborted) return
      const { record, headers: _, letterPartition: __, replayOf: ___, ...said } = letter
      if (output.json) {
        const { key, headers, value, bytes } = JSON.parse(
          await line(letter.partition, { ...record, headers: letter.headers }),
        )
        await output.write(JSON.stringify({ ...said, key, headers, value, bytes }))
      } else {
        if (!begun) await output.write(output.colors.dim(row(['when', 'partition/offset', 'model', 'code', 'reason'])))
        begun = true
        await output.write(letterRow(letter, output.colors))
      }
    }
    if (!begun && !output.json) output.note('no dead letters')
  })
}

const widths = [24, 16, 14, 17, 0]
const row = (cells: readonly string[]): string => cells.map((cell, index) => cell.padEnd(widths[index]!)).join('  ')

const letterRow = ({ at, partition, offset, model, code, reason }: DeadLetter, colors: Colors): string =>
  row([at, `${partition}/${offset}`, model, code, reason]).replace(code, colors.red(code))

const counted = async ({ output }: Context, letters: AsyncIterable<DeadLetter>): Promise<void> => {
  const counts = new Map<string, { code: string; model: string; count: number; last: string; reason: string }>()
  for await (const { code, model, at, reason } of letters) {
    const key = `${code} ${model}`
    const entry = counts.get(key) ?? { code, model, count: 0, last: at, reason }
    counts.set(key, { ...entry, count: entry.count + 1, last: at, reason })
  }
  const sorted = [...counts.values()].sort((one, other) => other.count - one.count)
  output.result({ counts: sorted }, () =>
    sorted.length === 0
      ? 'no dead letters'
      : table(
          ['count', 'code', 'model', 'last', 'for example'],
          sorted.map((entry) => [count(entry.count), entry.code, entry.model, entry.last, entry.reason]),
          { colors: output.colors, align: ['right'] },
        ),
  )
}

const runReplay = async (context: Context, flags: ReplayFlags): Promise<void> => {
  const { output, signal } = context
  const { config } = await context.loadConfig()
  const { input, deadLetter } = config.topics
  const dryRun = flags.dryRun ?? false
  const progress = createProgress(output, 'records')
  const replayed = await replayDeadLetters({
    kafka: await context.kafka(config),
    input,
    deadLetter,
    groupId: config.kafka.groupId,
    filter: flags,
    dryRun,
    signal,
    onProgress: (records) => progress.update(records, undefined, ''),
  }).finally(() => progress.close())
  signal.throwIfAborted()
  const { records, already, foreign } = replayed
  output.result({ topic: input, ...replayed, dryRun }, () =>
    [
      `${plural(records, 'record')} ${dryRun ? 'would be sent' : 'sent'} to ${input} again`,
      ...(already > 0 ? [`${plural(already, 'record')} left out: replayed already`] : []),
      ...(foreign > 0 ? [`${plural(foreign, 'record')} of other topics left where they are`] : []),
    ].join('\n'),
  )
}
