import type { Command } from 'commander'
import { withGroup } from '../../client/group.js'
import type { Config } from '../../config.js'
import { rollBackGroup } from '../../swap/group-rollback.js'
import { type Context, contextOf } from '../context.js'
import { CommandFailed } from '../failure.js'
import { plural, shortDigest } from '../format.js'
import { examples, positiveNumber } from '../options.js'
import type { Session } from '../session.js'
import { createSwitchView, workersTable } from '../switch-view.js'
import { readText } from '../text-file.js'

interface RollbackFlags {
  readonly key?: string
  readonly wait?: boolean
  readonly timeout: number
}

export const addRollback = (program: Command, session: Session): void => {
  const command = program
    .command('rollback')
    .summary('go back to the model before')
    .description(
      'Tells every worker of the deployment to score with the model that was scored with before. Which one that was is read from the logs, and ' +
        'named in the command. Workers keep it loaded, so it takes them no time.',
    )
    .option('--wait', 'ends when every worker scores with it')
    .option('--timeout <seconds>', 'with --wait: how long they may take', positiveNumber, 30)
    .option('--key <file>', 'private key to sign the command with, for workers that trust keys')
    .action((flags: RollbackFlags) => run(contextOf(session, command), flags))
  examples(
    command,
    ['millrace rollback --deployment digits', 'the model before the last switch scores again'],
    ['millrace rollback --wait', 'the same, and know when it does everywhere'],
  )
}

const run = async (context: Context, flags: RollbackFlags): Promise<void> => {
  const { output } = context
  const { config } = await context.loadConfig()
  const result = await rollBack(context, config, flags)
  const { ok, model, digest, generation, command, workers, reason } = result
  const what = model === null ? 'the model before' : `${model}${digest === null ? '' : ` (${shortDigest(digest)})`}`
  output.result({ waited: flags.wait ?? false, ...result }, () => {
    if (!flags.wait) return `ROLLBACK to ${what} sent to ${config.deployment} (command ${command})`
    if (ok) return `${what} scores everywhere: generation ${generation}, ${plural(workers.length, 'worker')}`
    return `${output.colors.red(`${what} is decided, but ${reason}`)}\n${workersTable(workers, output.colors)}`
  })
  if (!ok) throw new CommandFailed('not every worker has rolled back')
}

const rollBack = async (context: Context, config: Config, { key, wait, timeout }: RollbackFlags) => {
  const pem = key === undefined ? undefined : await readText(key)
  const view = createSwitchView(context.output)
  return withGroup(context, config, { key: pem, events: 'all' }, async ({ dialogue, fences }) => {
    try {
      const timeoutMs = wait ? timeout * 1000 : 0
      return await rollBackGroup({ ...dialogue, fences: await fences(), timeoutMs, onProgress: view.show })
    } finally {
      view.close()
    }
  })
}
