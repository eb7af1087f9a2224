import type { Command } from 'commander'
import { startWorker } from '../../start.js'
import { type Context, contextOf } from '../context.js'
import { examples } from '../options.js'
import type { Session } from '../session.js'

interface RunFlags {
  readonly model?: string
  readonly bundles?: string
  readonly id?: string
}

export const addRun = (program: Command, session: Session): void => {
  const command = program
    .command('run')
    .summary('score the input topic: one worker')
    .description(
      'Reads the input topic as a member of the deployment’s group, scores every record with the active model and writes predictions, until ' +
        'Ctrl-C. Start as many as you like: they share the partitions and always converge on the same model. A broker or a registry that is ' +
        'away is waited for. Topics must exist: `millrace topics create`.',
    )
    .option('--model <name@version>', 'what scores until the first switch')
    .option('--bundles <folder>', 'the local store of bundles')
    .option(
      '--id <name>',
      'name of this worker in the group and in events; unique; made from host and process by default',
    )
    .action((flags: RunFlags) =>
      run(contextOf(session, command, { model: flags.model, 'bundles.directory': flags.bundles }), flags),
    )
  examples(
    command,
    ['millrace run --deployment digits --model digits@1', 'a worker on the local stack'],
    ['millrace run --config millrace.yaml', 'with everything in a file'],
    ['millrace run --config millrace.yaml --set batch.maxDelayMs=1', 'the same, with smaller batches'],
  )
}

const run = async (context: Context, { id }: RunFlags): Promise<void> => {
  const { config } = await context.loadConfig()
  const logger = context.logger(config.logLevel)
  const worker = startWorker({ config, logger, id })
  const stop = () => {
    logger.info('stopping: what is in flight is finished')
    void worker.stop()
  }
  context.signal.addEventListener('abort', stop, { once: true })
  if (context.signal.aborted) stop()
  await worker.running
  if (!context.signal.aborted)
    logger.info({ worker: worker.id, model: worker.status.model.active?.model }, `scoring ${config.topics.input}`)
  await worker.finished
}
