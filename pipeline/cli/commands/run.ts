import { randomBytes } from 'node:crypto'
import type { Command } from 'commander'
import { type Config, parseConfig } from '../../config.js'
import { longestMs } from '../../config-deadline.js'
import { isLoopback } from '../../config-http.js'
import { letHeapGrow } from '../../heap-growth.js'
import { startServedWorker } from '../../serve.js'
import { type Context, contextOf } from '../context.js'
import { hardRefusal } from '../hard-refusal.js'
import { examples } from '../options.js'
import type { Session } from '../session.js'

interface RunFlags {
  readonly model?: string
  readonly bundles?: string
  readonly id?: string
  readonly port?: string
  readonly http: boolean
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
    .option('--port <n>', 'where the page, REST and metrics are; 8085, or any where that is taken')
    .option('--no-http', 'no page, no REST, no metrics')
    .action((flags: RunFlags) => {
      const values = {
        model: flags.model,
        'bundles.directory': flags.bundles,
        'http.port': flags.port,
        'http.enabled': flags.http ? undefined : 'false',
      }
      const firm = contextOf(session, command, { ...values, 'deadline.class': 'firm', 'deadline.ms': `${longestMs}` })
      return run(contextOf(session, command, values), firm, flags)
    })
  examples(
    command,
    ['millrace run --deployment digits --model digits@1', 'a worker on the local stack'],
    ['millrace run --config millrace.yaml', 'with everything in a file'],
    ['millrace run --config millrace.yaml --set batch.maxDelayMs=1', 'the same, with smaller batches'],
  )
}

/** `firm`: the same call, if it asks for a firm deadline that leaves time for everything. */
const run = async (context: Context, firm: Context, { id }: RunFlags): Promise<void> => {
  letHeapGrow()
  const { config, sources } = await context.loadConfig().catch(async (error) => {
    throw (await hardRefusal(context, firm)) ?? error
  })
  const logger = context.logger(config.logLevel)
  const token = tokenOfThisRun(context, config)
  const served = await startServedWorker({
    config: token === undefined ? config : parseConfig({ ...config, http: { ...config.http, token } }),
    sources,
    logger,
    id,
  })
  const { worker, url } = served
  const stop = () => {
    logger.info('stopping: what is in flight is finished')
    void served.stop()
  }
  context.signal.addEventListener('abort', stop, { once: true })
  if (context.signal.aborted) stop()
  if (url !== undefined) logger.info({ url: token === undefined ? url : `${url}/#token=${token}` }, 'the page')
  try {
    await worker.running
    if (!context.signal.aborted)
      logger.info({ worker: worker.id, model: worker.status.model.active?.model }, `scoring ${config.topics.input}`)
    await worker.finished
  } finally {
    await served.stop()
  }
}

/** Whoever watches the terminal of a worker on this machine may change what it does; in the log of a service no token belongs. */
const tokenOfThisRun = ({ stderr }: Context, { http }: Config): string | undefined =>
  stderr.isTTY === true && http.token === undefined && http.tokenFile === undefined && isLoopback(http.host)
    ? randomBytes(18).toString('base64url')
    : undefined
