import type { Command } from 'commander'
import { MillraceError } from '../../../stages/errors.js'
import { createMessageCodec } from '../../avro/message-codec.js'
import { createRecordDecoder } from '../../avro/record-decoder.js'
import { withRegistry } from '../../client/registry.js'
import { groupStatus, type PartitionStatus } from '../../kafka/group-status.js'
import { readTopic } from '../../kafka/topic-reader.js'
import { createModelLoader } from '../../model/loader.js'
import { openStore } from '../../model/store.js'
import { createFenceTable } from '../../swap/fence-table.js'
import { type OffsetRange, openPartitionLogs } from '../../verify/partition-logs.js'
import { createRecomputer } from '../../verify/recompute.js'
import { type VerifyReport, verifyPredictions } from '../../verify/verify.js'
import { type Context, contextOf } from '../context.js'
import { count } from '../format.js'
import { examples, wholeNumber } from '../options.js'
import { createProgress } from '../progress.js'
import type { Session } from '../session.js'

interface VerifyFlags {
  readonly partition?: number
  readonly from?: number
  readonly to?: number
  readonly last?: number
  readonly tolerance: number
  readonly bundles?: string
  readonly fallback?: string
  readonly allowDuplicates?: boolean
}

const tolerance = (text: string): number => {
  const number = Number(text)
  if (text.trim() !== '' && number >= 0) return number
  throw new MillraceError('usage', `--tolerance ${text}: a number, 0 or above`)
}

export const addVerify = (program: Command, session: Session): void => {
  const command = program
    .command('verify')
    .summary('recompute predictions and compare')
    .description(
      'The audit: which model said this, and would it say it again? Reads inputs, fences and stored bundles, recomputes every prediction of an ' +
        'offset range, and reports equal or the first that differ, and what is missing or there twice. Looks at what the group has committed, ' +
        'unless told otherwise. Exit code 1 when anything is missing or differs.',
    )
    .option('--partition <id>', 'this one alone', wholeNumber(0))
    .option('--from <offset>', 'first offset of each partition', wholeNumber(0))
    .option('--to <offset>', 'the offset after the last', wholeNumber(0))
    .option('--last <n>', 'the newest n of each partition', wholeNumber(1))
    .option('--tolerance <number>', 'how far numbers may lie apart; 0: equal to the last bit', tolerance, 0)
    .option('--bundles <folder>', 'the local store of bundles')
    .option(
      '--fallback <name@version>',
      'what may have answered in the place of the model; deadline.fallback by default',
    )
    .option('--allow-duplicates', 'at least once: a record scored again after a crash is no failure')
    .action((flags: VerifyFlags) => run(contextOf(session, command, { 'bundles.directory': flags.bundles }), flags))
  examples(
    command,
    ['millrace verify --deployment digits', 'everything that is still there'],
    ['millrace verify --last 10000', 'the newest ten thousand of each partition'],
    ['millrace verify --partition 3 --from 41200 --to 41300 --json', 'a hundred records, for a program'],
    ['millrace verify --tolerance 1e-6', 'on another kind of processor than the worker’s'],
  )
}

const run = async (context: Context, flags: VerifyFlags): Promise<void> => {
  const { output, signal } = context
  const { config } = await context.loadConfig()
  const { topics } = config
  const { fallback = config.deadline?.fallback } = flags
  const kafka = await context.kafka(config)
  const { partitions } = await groupStatus(kafka, config.kafka.groupId, topics.input)
  const ranges = partitions
    .filter(({ partition }) => flags.partition === undefined || partition === flags.partition)
    .map((partition) => rangeOf(partition, flags))
    .filter(({ from, to }) => to > from)
  const total = ranges.reduce((sum, { from, to }) => sum + to - from, 0)
  await withRegistry(context, config, async (registry) => {
    const codec = createMessageCodec(registry)
    const table = createFenceTable()
    for await (const { records } of readTopic(kafka, topics.fences, { from: 'beginning', follow: false, signal }))
      for (const { value } of records) if (value) table.apply(await codec.decodeFence(value))
    const loader = createModelLoader({ store: openStore(config.bundles.directory) })
    const recomputer = createRecomputer(table, loader, createRecordDecoder({ registry, echo: [] }))
    const progress = createProgress(output, 'records')
    let done = 0
    const logs = async function* () {
      for (const range of ranges) yield openPartitionLogs(kafka, codec, topics, range, signal)
    }
    try {
      const report = await verifyPredictions(logs(), {
        recomputer,
        fallback,
        tolerance: flags.tolerance,
        onProgress: (records) => {
          done += records
          progress.update(done, total > 0 ? done / total : undefined, '')
        },
      })
      progress.close()
      output.result(report, () => describe(report, fallback))
      conclude(report, flags.allowDuplicates ?? false)
    } finally {
      progress.close()
      await recomputer.close()
    }
  })
}

/** What is there and committed, of that what was asked for. */
const rangeOf = ({ partition, first, committed }: PartitionStatus, { from, to, last }: VerifyFlags): OffsetRange => {
  const end = Math.min(to ?? Number.POSITIVE_INFINITY, committed ?? 0)
  const begin = last === undefined ? (from ?? first) : end - last
  return { partition, from: Math.max(first, begin), to: end }
}

const describe = (report: VerifyReport, fallback: string | undefined): string => {
  const { records, equal, elsewhere, missing, duplicates, unequal, generations, differences } = report
  const lines = [
    `${count(records)} records, generations ${generations.join(', ') || 'none'}`,
    `  ${count(equal)} predictions equal to their recomputation`,
    `  ${count(elsewhere)} dead letters or late, as they should be`,
    `  ${count(missing)} missing`,
    `  ${count(unequal)} different`,
    `  ${count(duplicates)} duplicates`,
    ...differences.map(
      ({ partition, offset, kind, detail }) => `  partition ${partition} offset ${offset}: ${kind}: ${detail}`,
    ),
  ]
  if (fallback === undefined && differences.some(({ kind }) => kind === 'model'))
    lines.push('  where the fallback of a deadline has answered, name it: --fallback NAME@VERSION')
  return lines.join('\n')
}

const conclude = ({ missing, unequal, duplicates }: VerifyReport, allowDuplicates: boolean): void => {
  const found = [
    ...(missing > 0 ? [`${missing} missing`] : []),
    ...(unequal > 0 ? [`${unequal} different`] : []),
    ...(duplicates > 0 && !allowDuplicates ? [`${duplicates} duplicates`] : []),
  ]
  if (found.length > 0) throw new MillraceError('verification-failed', found.join(', '))
}
