import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { MillraceError } from '../../../stages/errors.js'
import { type Profile, profileBundle, tells } from '../../model/profile.js'
import { modelStages } from '../../model/stage-budget.js'
import { type Context, contextOf } from '../context.js'
import { count, precisePercent } from '../format.js'
import { examples, positiveNumber, share, wholeNumber } from '../options.js'
import { type Colors, table } from '../output.js'
import { profileChart } from '../profile-chart.js'
import type { Session } from '../session.js'

interface ProfileFlags {
  readonly sizes: number[]
  readonly missRatio: number
  readonly measureMs: number
  readonly svg?: string
}

const sizes = (text: string): number[] => text.split(',').map(wholeNumber(1, 1 << 16))

export const addProfile = (program: Command, session: Session): void => {
  const command = program
    .command('profile')
    .summary('what a model costs, and which budgets it can be given')
    .description(
      'Measures a bundle on this machine by batch size: what a batch takes, and which class and budget its stages can be given at a miss ratio, ' +
        'ready for bundle.json. With --json, what `millrace simulate` takes.',
    )
    .argument('<bundle>', 'folder or .tar.gz')
    .option('--sizes <list>', 'batch sizes, comma-separated', sizes, [1, 8, 64, 512, 2048])
    .option('--miss-ratio <share>', 'share of batches that may miss the budget', share, 0.01)
    .option('--measure-ms <ms>', 'for so long, each', positiveNumber, 500)
    .option('--svg <file>', 'write the chart to this file too')
    .action((path: string, flags: ProfileFlags) => run(contextOf(session, command), path, flags))
  examples(
    command,
    ['millrace profile models/bundles/digits@2.tar.gz', 'table, chart, and what can be promised'],
    ['millrace profile mine@1 --miss-ratio 0.001 --measure-ms 5000', 'for a stricter promise'],
    ['millrace profile mine@1 --json > mine.json', 'for millrace simulate'],
  )
}

const run = async (context: Context, path: string, flags: ProfileFlags): Promise<void> => {
  const { sizes: batchSizes, missRatio, measureMs, svg } = flags
  const profile = await profileBundle(path, { batchSizes, measureMs, missRatio, intraOpThreads: 1 })
  if (svg !== undefined) await write(svg, profileChart(profile))
  context.output.result(profile, () => describe(profile, context.output.colors))
}

const write = async (path: string, text: string): Promise<void> => {
  try {
    await writeFile(path, text)
  } catch (cause) {
    throw new MillraceError('file-unreadable', `${path}: ${(cause as Error).message}`, { cause })
  }
}

const barWidth = 40

const describe = (profile: Profile, colors: Colors): string => {
  const { ref, missRatio, table: rows, stages } = profile
  const present = modelStages.filter((stage) => stages[stage])
  const perRecord = rows.map(({ rows: size, p50Ms }) => (1_000 * p50Ms) / size)
  const most = Math.max(...perRecord)
  const few = rows.filter((row) => !tells(row, missRatio)).map(({ rows: size, runs }) => `${size} (${runs} runs)`)
  return [
    colors.bold(ref),
    table(
      ['records', 'p50 ms', 'p99 ms', ...present.map((stage) => `${stage} p99`), 'records/s', 'runs', 'µs a record'],
      rows.map(({ rows: size, runs, p50Ms, p99Ms, stages: spent }, index) => [
        count(size),
        ms(p50Ms),
        ms(p99Ms),
        ...present.map((stage) => ms(spent[stage]?.p99Ms ?? 0)),
        figure((1_000 * size) / p50Ms),
        count(runs),
        `${'█'.repeat(Math.max(1, Math.round((barWidth * perRecord[index]!) / most)))} ${figure(perRecord[index]!)}`,
      ]),
      { colors, align: [...new Array(present.length + 5).fill('right'), 'left'] },
    ),
    '',
    `On this machine, now, with at most ${precisePercent(missRatio)} of batches missed and a quarter to spare, bundle.json can say:`,
    `  "stages": ${JSON.stringify(stages).replaceAll(/([,:])/g, '$1 ')}`,
    ...(few.length > 0
      ? [
          colors.yellow(
            `soft only, since too few runs tell of ${precisePercent(missRatio)}: ${few.join(', ')}; see --measure-ms`,
          ),
        ]
      : []),
    'hard cannot be given: no garbage-collected runtime on a shared kernel can promise that.',
  ].join('\n')
}

const ms = (value: number): string => (value < 10 ? value.toFixed(3) : value.toFixed(1))

/** Three digits, or all before the point. */
const figure = (value: number): string => (value < 1_000 ? value.toPrecision(3) : count(value))
