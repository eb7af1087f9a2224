import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { MillraceError } from '../../../stages/errors.js'
import { readPush } from '../../model/chunks.js'
import { type Context, contextOf } from '../context.js'
import { bytes, duration, plural } from '../format.js'
import { examples } from '../options.js'
import { openOutbox } from '../outbox.js'
import { createProgress } from '../progress.js'
import type { Session } from '../session.js'

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
    .action((path: string) => run(contextOf(session, push), path))
  examples(
    push,
    ['millrace models push mine@1.tar.gz --deployment digits', 'bring the bytes to the workers'],
    ['millrace models push mine@1.tar.gz && millrace switch mine@1', 'and score with it'],
  )
}

const run = async (context: Context, path: string): Promise<void> => {
  const { output, signal } = context
  if ((await stat(path).catch(() => undefined))?.isDirectory())
    throw new MillraceError('usage', `${path} is a folder; make an archive of it with \`millrace bundle pack ${path}\``)
  const { config } = await context.loadConfig()
  const { ref, digest, chunks, bytes: size, records } = await readPush(path)
  const topic = config.topics.models
  const progress = createProgress(output, 'chunks')
  const outbox = await openOutbox({
    kafka: await context.kafka(config),
    topic,
    onState: (state, detail) => progress.note(state === 'waiting' ? `waiting: ${detail}` : 'sending again'),
  })
  const began = performance.now()
  try {
    for await (const record of records()) {
      signal.throwIfAborted()
      await outbox.add({ ...record, timestamp: Date.now() })
      progress.update(outbox.acknowledged, outbox.acknowledged / (chunks + 1), '')
    }
    await outbox.flush()
  } finally {
    progress.close()
    await outbox.close()
  }
  const ms = performance.now() - began
  const result = { ref, digest, bytes: size, chunks, topic, seconds: Number((ms / 1000).toFixed(3)) }
  output.result(
    result,
    () => `${ref} sent to ${topic}: ${bytes(size)} in ${plural(chunks, 'chunk')}, ${duration(ms)}; digest ${digest}`,
  )
}
