import type { Command } from 'commander'
import { MillraceError } from '../../../stages/errors.js'
import type { ModelCommand } from '../../messages.js'
import { type Context, contextOf } from '../context.js'
import { newCommand, sendCommand } from '../control.js'
import { readKey } from '../key-file.js'
import { examples } from '../options.js'
import type { Session } from '../session.js'

interface SwitchFlags {
  readonly digest?: string
  readonly key?: string
}

export const addSwitch = (program: Command, session: Session): void => {
  const command = program
    .command('switch')
    .summary('score with another model from now on')
    .description(
      'Tells every worker of the deployment to score with another model. Each loads and tries it while the old one goes on, and changes over ' +
        'between two batches; a model that does not pass its gates is refused, and the old one stays. What becomes of it is on the events topic.',
    )
    .argument('<name@version>', 'the bundle')
    .option('--digest <sha256>', 'exactly this bundle, not another of the same name')
    .option('--key <file>', 'private key to sign the command with, for workers that trust keys')
    .action((model: string, flags: SwitchFlags) => send(contextOf(session, command), 'SWITCH', model, flags))
  examples(
    command,
    ['millrace switch digits@2 --deployment digits', 'score with digits@2'],
    ['millrace switch digits@3 --key release.key', 'where commands have to be signed'],
    [
      `echo '{"action":"SWITCH","model":"digits@2"}' | kcat -P -b localhost:9092 -t digits.control`,
      'the same without millrace switch',
    ],
  )
}

export const addRollback = (program: Command, session: Session): void => {
  const command = program
    .command('rollback')
    .summary('go back to the model before')
    .description(
      'Tells every worker of the deployment to score with the model that was active before. Workers keep it loaded.',
    )
    .option('--key <file>', 'private key to sign the command with, for workers that trust keys')
    .action((flags: SwitchFlags) => send(contextOf(session, command), 'ROLLBACK', null, flags))
  examples(command, ['millrace rollback --deployment digits', 'the model before the last switch scores again'])
}

const send = async (
  context: Context,
  action: ModelCommand['action'],
  model: string | null,
  { digest, key }: SwitchFlags,
): Promise<void> => {
  if (model !== null && !/^[A-Za-z0-9._-]+@[A-Za-z0-9._-]+$/.test(model))
    throw new MillraceError('usage', `${model} is not name@version`)
  const { config } = await context.loadConfig()
  const pem = key === undefined ? undefined : await readKey(key)
  const { command, offset } = await sendCommand(
    context,
    config,
    newCommand({ action, model, digest: digest ?? null }),
    pem,
  )
  const { signature, ...said } = command
  context.output.result(
    { command: { ...said, signed: signature !== null }, topic: config.topics.control, offset },
    () =>
      `${[action, model].filter(Boolean).join(' ')} sent to ${config.deployment} (${config.topics.control}, offset ${offset}, command ${command.id})`,
  )
}
