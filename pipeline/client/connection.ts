import type { Kafka } from 'kafkajs'
import type { Config } from '../config.js'

/** The way to a deployment from outside its workers: that of a command, or of a program. */
export interface Connection {
  /** A client that holds no connection; throws `file-unreadable` for a PEM file that is not there. */
  kafka(config: Config): Promise<Kafka>
  /** ends what is waited for */
  readonly signal: AbortSignal
}
