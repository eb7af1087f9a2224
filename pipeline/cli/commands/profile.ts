import type { Command } from 'commander'
import { type Profile, profileBundle } from '../../model/profile.js'
import { type Context, contextOf } from '../context.js'
import { count } from '../format.js'
import { examples, positiveNumber, share } from '../options.js'
import { type Colors, table } from '../output.js'
import type { Session } from '../session.js'

interface ProfileFlags {
  readonly sizes: number[]
  readonly missRatio: number
  readonly measureMs: number
}

const numbers = (text: string): number[] => text.split(',').map(positiveNumber)

export const addProfile = (program: Command, session: Session): void => {
  const command = program
    .command('profile')
    .summary('what a model costs, and which deadline it can be given')
    .description(
      'Measures a bundle on this machine by batch size: what a batch takes, and which class and budget its stages can be given at a miss ratio. ' +
        'With --json, what `millrace simulate` takes.',
    )
    .argument('<bundle>', 'folder or .tar.gz')
    .option('--sizes <list>', 'batch sizes, comma-separated', numbers, [1, 8, 64, 512, 2048])
    .option('--miss-ratio <share>', 'share of batches that may miss the budget', share, 0.01)
    .option('--measure-ms <ms>', 'for so long, each', positiveNumber, 500)
    .action((path: string, flags: ProfileFlags) => run(contextOf(session, command), path, flags))
  examples(
    command,
    ['millrace profile models/bundles/digits@2.tar.gz', 'table, chart, and what can be promised'],
    ['millrace profile mine@1 --miss-ratio 0.001 --measure-ms 5000', 'for a stricter promise'],
    ['millrace profile mine@1 --json > mine.json', 'for millrace simulate'],
  )
}

const run = async (context: Context, path: string, { sizes, missRatio, measureMs }: ProfileFlags): Promise<void> => {
  const profile = await profileBundle(path, { batchSizes: sizes, measureMs, missRatio, intraOpThreads: 1 })
  context.output.result(profile, () => describe(profile, context.output.colors))
}

const barWidth = 40

const describe = ({ ref, missRatio, table: rows }: Profile, colors: Colors): string => {
  const share = `${Number((missRatio * 100).toPrecision(3))} %`
  const most = Math.max(...rows.map(({ rows: size, p50Ms }) => p50Ms / size))
  return [
    colors.bold(ref),
    table(
      ['records', 'p50 ms', 'p99 ms', 'records/s', 'runs', 'µs a record'],
      rows.map(({ rows: size, runs, p50Ms, p99Ms }) => [
        count(size),
        ms(p50Ms),
        ms(p99Ms),
        count((1_000 * size) / p50Ms),
        count(runs),
        `${'█'.repeat(Math.max(1, Math.round((barWidth * p50Ms) / size / most)))} ${((1_000 * p50Ms) / size).toPrecision(3)}`,
      ]),
      { colors, align: ['right', 'right', 'right', 'right', 'right', 'left'] },
    ),
    '',
    `On this machine it can be given, with ${share} of batches missed:`,
    ...rows.map(({ rows: size, budgetMs, runs }) => {
      const few = runs * missRatio < 1 ? colors.yellow(`  (${runs} runs are few for that: --measure-ms)`) : ''
      return `  firm, budgetMs ${ms(budgetMs)}, perRecords ${size}${few}`
    }),
    'hard it cannot: no garbage-collected runtime on a shared kernel can promise that.',
  ].join('\n')
}

const ms = (value: number): string => (value < 10 ? value.toFixed(3) : value.toFixed(1))
