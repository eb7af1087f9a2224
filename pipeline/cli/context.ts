/** What a command works with: the session it runs in and the options that every command has. */
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import type { Kafka } from 'kafkajs'
import type { Config } from '../config.js'
import {
  type ConfigFlags,
  type Environment,
  type LoadedConfig,
  loadConfig,
  readSettings,
  type Settings,
} from '../config-load.js'
import { createLogger, type Logger } from '../logging.js'
import { createOutput, type Output, wantsColors } from './output.js'
import type { Session } from './session.js'

/** Where `millrace stack` keeps its data, and where the other commands look for it. */
export const stackDataDirectory = '.millrace/stack'

/** Where the demo keeps the data of its stack, and its logs. */
export const demoDirectory = '.millrace/demo'

/** Downloads: shared with the tests of a clone; elsewhere beside the data. */
export const stackCacheDirectory = (environment: Environment): string =>
  environment.MILLRACE_STACK_CACHE ??
  (existsSync('node_modules') ? 'node_modules/.cache/millrace/stack' : '.millrace/cache')

export interface CommonOptions {
  readonly json?: boolean
  readonly verbose?: boolean
  readonly config?: string
  readonly set?: readonly string[]
  readonly brokers?: string
  readonly registry?: string
  readonly deployment?: string
  readonly logLevel?: string
}

export interface Context extends Session {
  readonly output: Output
  readonly verbose: boolean
  /** The configuration of this call; `fallback` as in `LoadOptions`. */
  loadConfig(fallback?: Readonly<Record<string, unknown>>): Promise<LoadedConfig>
  /** What is written of it, unchecked: for commands that need neither Kafka nor a deployment. */
  readSettings(): Promise<Settings>
  /** A client that keeps its troubles to itself, unless --verbose. */
  kafka(config: Config): Promise<Kafka>
  /** One event a line, on standard error. */
  logger(level: string): Logger
}

/** `values`: options of the command that are settings, by path. */
export const contextOf = (session: Session, command: Command, values: ConfigFlags['values'] = {}): Context => {
  const common = command.optsWithGlobals<CommonOptions>()
  const { environment, stderr } = session
  const { brokers, registry, deployment, logLevel } = common
  const flags: ConfigFlags = {
    file: common.config,
    set: common.set,
    values: { brokers, registry, deployment, logLevel, ...values },
  }
  const verbose = common.verbose ?? false
  const logger = (level: string) =>
    createLogger({
      level,
      pretty: stderr.isTTY === true && !common.json,
      colors: wantsColors(stderr, environment),
      stream: stderr,
    })
  return {
    ...session,
    output: createOutput(session, common.json ?? false),
    verbose,
    loadConfig: (fallback) => loadConfig({ flags, environment, fallback, findStack }),
    readSettings: () => readSettings(flags, environment),
    kafka: async (config) => {
      // Most of the time that a command takes to start is Kafka's client: those without Kafka do without.
      const { createKafka } = await import('../kafka/client.js')
      const { kafkaOptionsOf } = await import('../kafka-options.js')
      const options = await kafkaOptionsOf(config)
      const log = verbose ? logger('debug') : undefined
      return createKafka({ ...options, onLog: log && ((level, message, extra) => log[level](extra, message)) })
    },
    logger,
  }
}

const findStack = async () => {
  // The stack asks its broker by a client of its own.
  ;(await import('../kafka/request-timer.js')).installRequestTimer()
  return (await import('../../docker/stack.js')).findRunningStack(stackDataDirectory)
}
