import type { Command } from 'commander'
import { type Stack, startStack } from '../../../docker/stack.js'
import { MillraceError } from '../../../stages/errors.js'
import { installRequestTimer } from '../../kafka/request-timer.js'
import { type Context, contextOf, stackCacheDirectory, stackDataDirectory } from '../context.js'
import { examples, wholeNumber } from '../options.js'
import { facts } from '../output.js'
import type { Session } from '../session.js'

interface StackFlags {
  readonly data: string
  readonly cache?: string
  readonly fresh?: boolean
  readonly kafkaPort?: number
  readonly registryPort?: number
}

const port = wholeNumber(1, 65_535)

export const addStack = (program: Command, session: Session): void => {
  const command = program
    .command('stack')
    .summary('start Kafka and a schema registry on this machine')
    .description(
      'Starts Apache Kafka and a schema registry on the loopback interface and prints their addresses. They run until Ctrl-C; what is in ' +
        'them is there again at the next start. Needs Java 17 and, the first time, Maven. Other commands in this folder find the stack.',
    )
    .option('--data <folder>', 'where topics, schemas and logs are kept', stackDataDirectory)
    .option('--cache <folder>', 'where the downloads are kept (MILLRACE_STACK_CACHE)')
    .option('--fresh', 'begin with no topics and no schemas')
    .option('--kafka-port <port>', 'a free one by default', port)
    .option('--registry-port <port>', 'a free one by default', port)
    .action((flags: StackFlags) => run(contextOf(session, command), flags))
  examples(
    command,
    ['millrace stack', 'start, keep what was there'],
    ['millrace stack --fresh --kafka-port 9092 --registry-port 8081', 'start anew, on the usual ports'],
    ['millrace stack --json | head -1', 'the addresses for a script, as soon as they answer'],
  )
}

const run = async (context: Context, flags: StackFlags): Promise<void> => {
  const { output, signal, environment } = context
  // The stack asks its broker by a client of its own.
  installRequestTimer()
  let stack: Stack
  try {
    stack = await startStack({
      dataDirectory: flags.data,
      cacheDirectory: flags.cache ?? stackCacheDirectory(environment),
      fresh: flags.fresh,
      kafkaPort: flags.kafkaPort,
      registryPort: flags.registryPort,
      onProgress: (line) => output.note(output.colors.dim(line)),
      signal,
    })
  } catch (error) {
    if (signal.aborted) return output.note('stopped before it was ready')
    throw error
  }
  try {
    const { brokers, registry, dataDirectory, pids } = stack
    output.result({ brokers, registry, dataDirectory, pids }, () => welcome(stack, flags, context))
    const died = await Promise.race([stack.exited, aborted(signal)])
    if (died)
      throw new MillraceError(
        'stack-failed',
        `${died.name} ended with ${died.code}: ${died.lastLine} (${died.logFile})`,
      )
    output.note(output.colors.dim('stopping'))
  } finally {
    await stack.stop()
  }
}

const aborted = (signal: AbortSignal): Promise<undefined> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve(undefined)
    signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })

const welcome = ({ brokers, registry }: Stack, flags: StackFlags, { output: { colors } }: Context): string => {
  const exported = `export MILLRACE_BROKERS=${brokers} MILLRACE_REGISTRY=${registry}`
  const found = flags.data === stackDataDirectory
  return [
    '',
    facts(
      [
        ['Kafka', colors.bold(brokers)],
        ['registry', colors.bold(registry)],
        ['data', flags.data],
      ],
      colors,
    ),
    '',
    found ? 'Other commands in this folder find it. Elsewhere:' : 'For the other commands:',
    `  ${exported}`,
    '',
    colors.dim('Ctrl-C stops both.'),
  ].join('\n')
}
