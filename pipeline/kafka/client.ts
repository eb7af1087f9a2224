import kafkajs, { type Kafka, type KafkaConfig } from 'kafkajs'
import { registerCompression } from './compression.js'
import { installCoordinatorErrors } from './coordinator-errors.js'
import { installRequestTimer } from './request-timer.js'
import { installRequestsInFlight } from './requests-in-flight.js'
import { openSocket } from './socket.js'
import { installWholeResponses } from './whole-responses.js'

export type LogLevel = 'warn' | 'info' | 'debug'

export interface TlsOptions {
  /** PEM texts, not paths */
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly rejectUnauthorized?: boolean
}

export interface KafkaOptions {
  /** bootstrap addresses, host:port */
  readonly brokers: readonly string[]
  readonly clientId: string
  readonly ssl?: boolean | TlsOptions
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
    readonly username: string
    readonly password: string
  }
  /**
   * kafkajs's own log lines, one level lower than it gives them: what it calls an error is mostly about to be tried again, and what is not
   * comes out as a state or an exception. Dropped without a callback; never written to the console.
   */
  readonly onLog?: (level: LogLevel, message: string, extra: Record<string, unknown>) => void
  /** how sockets are made, for tests that cut them */
  readonly socketFactory?: KafkaConfig['socketFactory']
}

/**
 * Short: whoever needs to wait longer waits in its own loop, where it can be seen and stopped. All of them are stated, because kafkajs
 * has other defaults when NODE_ENV is `test`.
 */
export const clientRetry = { initialRetryTime: 100, maxRetryTime: 1_000, factor: 0.2, multiplier: 2, retries: 3 }

const { ERROR, WARN, INFO } = kafkajs.logLevel
const levels: Record<number, LogLevel> = { [ERROR]: 'warn', [WARN]: 'info', [INFO]: 'debug' }

/** The kafkajs configuration that the options mean. */
export const kafkaConfig = (options: KafkaOptions): KafkaConfig => ({
  brokers: [...options.brokers],
  clientId: options.clientId,
  ssl: typeof options.ssl === 'object' ? tls(options.ssl) : (options.ssl ?? false),
  ...(options.sasl && { sasl: { ...options.sasl } as KafkaConfig['sasl'] }),
  socketFactory: options.socketFactory ?? openSocket,
  connectionTimeout: 5_000,
  authenticationTimeout: 10_000,
  requestTimeout: 30_000,
  retry: clientRetry,
  logLevel: INFO,
  logCreator:
    () =>
    ({ level, namespace, log: { message, timestamp: _, logger: __, ...extra } }) => {
      const name = levels[level]
      if (name) options.onLog?.(name, namespace ? `${namespace}: ${message}` : message, extra)
    },
})

const tls = (options: TlsOptions): NonNullable<Exclude<KafkaConfig['ssl'], boolean>> => ({
  ...(options.ca !== undefined && { ca: [options.ca] }),
  ...(options.cert !== undefined && { cert: options.cert }),
  ...(options.key !== undefined && { key: options.key }),
  rejectUnauthorized: options.rejectUnauthorized ?? true,
})

/**
 * A Kafka client. It holds no connection: those belong to what is made from it. Give every source a client of its own: kafkajs keeps the
 * committed offsets of a group in the client, and two members of one group must not share them.
 */
export const createKafka = (options: KafkaOptions): Kafka => {
  registerCompression()
  installRequestTimer()
  installRequestsInFlight()
  installWholeResponses()
  installCoordinatorErrors()
  return new kafkajs.Kafka(kafkaConfig(options))
}
