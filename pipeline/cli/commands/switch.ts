import type { Command } from 'commander'
import { type ErrorCode, errors, MillraceError } from '../../../stages/errors.js'
import { newCommand, sendCommand } from '../../client/control.js'
import { withGroup } from '../../client/group.js'
import type { Config } from '../../config.js'
import { openDialogue } from '../../swap/group-dialogue.js'
import { maxSwitchTimeoutMs, switchGroup, type WorkerState } from '../../swap/group-switch.js'
import { type Context, contextOf } from '../context.js'
import { CommandFailed } from '../failure.js'
import { duration, plural } from '../format.js'
import { examples, positiveNumber } from '../options.js'
import type { Session } from '../session.js'
import { createSwitchView, workersTable } from '../switch-view.js'
import { readText } from '../text-file.js'

interface SwitchFlags {
  readonly digest?: string
  readonly key?: string
  readonly wait?: boolean
  readonly timeout: number
  readonly abort?: boolean
}

export const addSwitch = (program: Command, session: Session): void => {
  const command = program
    .command('switch')
    .summary('score with another model from now on')
    .description(
      'Tells every worker of the deployment to score with another model. Each loads and tries it while the old one goes on, and changes over ' +
        'between two batches; a model that does not pass its gates is refused, and the old one stays. With --wait all of them switch or none: ' +
        'every worker has it ready before any scores with it, and one that cannot is enough that nobody does.',
    )
    .argument('[name@version]', 'the bundle')
    .option('--wait', 'all workers or none; ends when every worker scores with it')
    .option('--timeout <seconds>', `with --wait: how long they may take, at most ${maxTimeout}`, positiveNumber, 60)
    .option('--abort', 'end a switch that is being prepared')
    .option('--digest <sha256>', 'exactly this bundle, not another of the same name')
    .option('--key <file>', 'private key to sign the command with, for workers that trust keys')
    .action((model: string | undefined, flags: SwitchFlags) => run(contextOf(session, command), model, flags))
  examples(
    command,
    ['millrace switch digits@2 --deployment digits', 'score with digits@2'],
    ['millrace switch digits@2 --wait', 'all workers or none, and know which'],
    ['millrace switch --abort', 'somebody began one and has gone'],
    ['millrace switch digits@3 --key release.key', 'where commands have to be signed'],
    [
      `echo '{"action":"SWITCH","model":"digits@2"}' | kcat -P -b localhost:9092 -t digits.control`,
      'the same without millrace switch',
    ],
  )
}

const maxTimeout = maxSwitchTimeoutMs / 1000

const run = async (context: Context, model: string | undefined, flags: SwitchFlags): Promise<void> => {
  if (flags.abort && (model !== undefined || flags.wait)) throw usage('--abort goes alone')
  if (flags.timeout > maxTimeout) throw usage(`--timeout is at most ${maxTimeout} seconds`)
  if (!flags.abort && model === undefined) throw usage('which model? name@version')
  if (model !== undefined && !/^[A-Za-z0-9._-]+@[A-Za-z0-9._-]+$/.test(model))
    throw usage(`${model} is not name@version`)
  const { config } = await context.loadConfig()
  const key = flags.key === undefined ? undefined : await readText(flags.key)
  if (model === undefined) return abort(context, config, key)
  return flags.wait ? switchAll(context, config, model, flags, key) : send(context, config, model, flags, key)
}

const usage = (what: string) => new MillraceError('usage', what)

const switchAll = async (
  context: Context,
  config: Config,
  model: string,
  { digest, timeout }: SwitchFlags,
  key: string | undefined,
): Promise<void> => {
  const { output } = context
  const begun = performance.now()
  const view = createSwitchView(output)
  const result = await withGroup(context, config, { key, events: 'new' }, async ({ dialogue }) => {
    try {
      return await switchGroup({ ...dialogue, model, digest, timeoutMs: timeout * 1000, onProgress: view.show })
    } finally {
      view.close()
    }
  })
  const { ok, outcome, workers, generation, code, reason } = result
  output.result({ model, ...result }, () => {
    if (ok) {
      const time = duration(performance.now() - begun)
      return `${model} scores everywhere: generation ${generation}, ${plural(workers.length, 'worker')}, ${time}`
    }
    const what = outcome === 'committed' ? 'it is decided, but' : 'nobody switched:'
    const why = outcome === 'committed' ? reason : `${code === null ? '' : `${errors[code].message}: `}${reason}`
    return `${output.colors.red(`${what} ${why}${remediesOf(workers)}`)}\n${workersTable(workers, output.colors)}`
  })
  if (!ok) throw new CommandFailed('not every worker has switched')
}

/** What to do about what the workers have said. */
const remediesOf = (workers: readonly WorkerState[]): string => {
  const known = workers.flatMap(({ code }) =>
    code !== null && code in errors ? [errors[code as ErrorCode].remedy] : [],
  )
  return known.length === 0 ? '' : `. What to do: ${[...new Set(known)].join('; ')}`
}

const abort = (context: Context, config: Config, key: string | undefined): Promise<void> =>
  withGroup(context, config, { key, events: 'new' }, async ({ dialogue }) => {
    const group = await openDialogue(dialogue)
    try {
      const { id, outcome } = await group.say({ action: 'ABORT', model: null, digest: null })
      if (outcome?.kind === 'refused') throw new MillraceError(outcome.code, config.deployment)
      const model = outcome?.kind === 'abort' ? outcome.prepared.model : null
      context.output.result({ command: id, aborted: model }, () => `${model ?? 'the switch'} is aborted`)
    } finally {
      group.close()
    }
  })

const send = async (
  context: Context,
  config: Config,
  model: string,
  { digest }: SwitchFlags,
  key: string | undefined,
): Promise<void> => {
  const given = newCommand({ action: 'SWITCH', model, digest: digest ?? null })
  const { command, offset } = await sendCommand(context, config, given, key)
  const { signature, ...said } = command
  const { topics, deployment } = config
  context.output.result(
    { command: { ...said, signed: signature !== null }, topic: topics.control, offset },
    () => `SWITCH ${model} sent to ${deployment} (${topics.control}, offset ${offset}, command ${command.id})`,
  )
}
