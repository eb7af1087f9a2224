import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { MillraceError } from '../../../stages/errors.js'
import type { Config } from '../../config.js'
import { type Pushed, pushModel } from '../../push-model.js'
import { type Context, contextOf } from '../context.js'
import { CommandFailed } from '../failure.js'
import { bytes, duration, plural } from '../format.js'
import { examples, positiveNumber } from '../options.js'
import { createProgress } from '../progress.js'
import { type StoredBy, waitUntilStored } from '../push-answers.js'
import type { Session } from '../session.js'

interface PushFlags {
  readonly wait?: boolean
  readonly timeout: number
}

/** `push`, below `millrace models`. */
export const addModelsPush = (models: Command, session: Session): void => {
  const push = models
    .command('push')
    .summary('send one to every worker of a deployment')
    .description(
      'Sends a packed bundle over the models topic of a deployment. Every worker puts it together, checks it and keeps it in its store; then ' +
        'it can be switched to. Nothing changes by a push alone.',
    )
    .argument('<archive>', 'a .tar.gz made by `millrace bundle pack`')
    .option('--wait', 'until every worker of the group has it; exit code 1 when one refuses it')
    .option('--timeout <seconds>', 'how long with --wait', positiveNumber, 120)
    .action((path: string, flags: PushFlags) => run(contextOf(session, push), path, flags))
  examples(
    push,
    ['millrace models push mine@1.tar.gz --deployment digits', 'bring the bytes to the workers'],
    ['millrace models push mine@1.tar.gz --wait && millrace switch mine@1 --wait', 'and score with it'],
  )
}

const run = async (context: Context, path: string, { wait, timeout }: PushFlags): Promise<void> => {
  if ((await stat(path).catch(() => undefined))?.isDirectory())
    throw new MillraceError('usage', `${path} is a folder; make an archive of it with \`millrace bundle pack ${path}\``)
  const { output } = context
  const { config } = await context.loadConfig()
  const began = performance.now()
  const send = () => sendWithProgress(context, config, path)
  const { pushed, workers } = wait
    ? await waitUntilStored(context, config, send, timeout * 1000)
    : { pushed: await send(), workers: undefined }
  const ms = performance.now() - began
  const result = { ...pushed, topic: config.topics.models, seconds: Number((ms / 1000).toFixed(3)) }
  output.result({ ...result, ...(workers && { workers }) }, () => describe(result, ms, workers))
  if (workers?.some(({ stored }) => !stored)) throw new CommandFailed('not every worker has it')
}

const sendWithProgress = async (context: Context, config: Config, path: string): Promise<Pushed> => {
  const progress = createProgress(context.output, 'chunks')
  let waiting: string | undefined
  try {
    return await pushModel({
      kafka: await context.kafka(config),
      topic: config.topics.models,
      path,
      onProgress: (chunks, of) => progress.update(chunks, chunks / of, ''),
      onWaiting(reason) {
        if (reason !== waiting) progress.note(reason === undefined ? 'sending again' : `waiting: ${reason}`)
        waiting = reason
      },
      signal: context.signal,
    })
  } finally {
    progress.close()
  }
}

const describe = (
  { ref, digest, bytes: size, chunks, topic }: Pushed & { readonly topic: string },
  ms: number,
  workers: readonly StoredBy[] = [],
): string =>
  [
    `${ref} sent to ${topic}: ${bytes(size)} in ${plural(chunks, 'chunk')}, ${duration(ms)}; digest ${digest}`,
    ...workers.map(({ worker, stored, reason }) => `  ${worker}: ${stored ? 'stored' : reason}`),
  ].join('\n')
