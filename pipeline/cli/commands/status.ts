import { type Command, Option } from 'commander'
import { createLogUpdate } from 'log-update'
import { pause } from '../../backoff.js'
import { type DeploymentStatus, deploymentStatus } from '../../client/deployment-status.js'
import { type Context, contextOf } from '../context.js'
import { count } from '../format.js'
import { collect, examples, positiveNumber } from '../options.js'
import type { Session } from '../session.js'
import { describeStatus, type ShownStatus } from '../status-text.js'

interface StatusFlags {
  readonly watch?: boolean
  readonly stages?: boolean
  readonly url?: string[]
  readonly every: number
}

export const addStatus = (program: Command, session: Session): void => {
  const command = program
    .command('status')
    .summary('which model, which workers, how far behind')
    .description(
      'Shows a deployment as its topics and its consumer group have it: the model and its generation, the workers with their partitions and ' +
        'what they said last, and how far each partition is behind. That much needs Kafka alone: without the registry it is not known which model ' +
        'scores, while workers that wait for the registry as well are shown. Where there is a deadline, its workers are asked how they keep it.',
    )
    .option('--watch', 'again and again, until Ctrl-C, with rates')
    .option('--every <seconds>', 'how often with --watch; how long --stages looks', positiveNumber, 2)
    .option('--stages', 'where the time goes: stage by stage, as the workers count it')
    .addOption(
      new Option(
        '--url <address>',
        'a worker to ask for what only it knows; may be repeated; all of the group by default',
      ).argParser(collect),
    )
    .action((flags: StatusFlags) => (flags.stages ? runStages : run)(contextOf(session, command), flags))
  examples(
    command,
    ['millrace status --deployment digits', 'once'],
    ['millrace status --watch', 'keep an eye on it'],
    ['millrace status --stages', 'what keeps it from being faster'],
    ["millrace status --json | jq '.lag'", 'for a script'],
  )
}

const runStages = async (context: Context, { watch = false, every, url }: StatusFlags): Promise<void> => {
  const { showStages } = await import('../stages/show.js')
  await showStages(context, { watch, every, urls: url ?? [] })
}

const run = async (context: Context, { watch, every, url = [] }: StatusFlags): Promise<void> => {
  const { output, signal } = context
  const { config } = await context.loadConfig()
  const { keptDeadlines } = await import('../kept-deadlines.js')
  const look = async (): Promise<ShownStatus> => {
    const status = await deploymentStatus(context, config)
    return { ...status, ...(await keptDeadlines(status, config, url, signal)) }
  }
  let status = await look()
  if (!watch) return output.result(status, () => describeStatus(status, output.colors))
  const update = output.live ? createLogUpdate(output.stdout as NodeJS.WriteStream) : undefined
  let before: DeploymentStatus | undefined
  while (!signal.aborted) {
    const text = () => `${describeStatus(status, output.colors)}\n${before ? rates(before, status) : ''}`
    if (update) update(text())
    else output.result(status, text)
    await pause(every * 1000, signal)
    if (signal.aborted) break
    before = status
    status = await look()
  }
  update?.done()
}

/** Records that came in and records that are committed, a second. */
const rates = (before: DeploymentStatus, now: DeploymentStatus): string => {
  const seconds = (now.at - before.at) / 1000
  const total = (status: DeploymentStatus, of: 'end' | 'committed') =>
    status.partitions.reduce((sum, partition) => sum + (partition[of] ?? 0), 0)
  const rate = (of: 'end' | 'committed') => count((total(now, of) - total(before, of)) / seconds)
  return `\nin ${rate('end')}/s, scored ${rate('committed')}/s`
}
