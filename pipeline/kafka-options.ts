/** What the configuration says of the way to Kafka, with the PEM files read. */
import { readFile } from 'node:fs/promises'
import { MillraceError } from '../stages/errors.js'
import type { Config } from './config.js'
import type { KafkaOptions } from './kafka/client.js'

/** Throws `file-unreadable` for a PEM file that is not there. */
export const kafkaOptionsOf = async (config: Pick<Config, 'brokers' | 'kafka'>): Promise<KafkaOptions> => {
  const { clientId, ssl, sasl } = config.kafka
  const options: KafkaOptions = { brokers: config.brokers, clientId, ...(sasl && { sasl }) }
  if (typeof ssl === 'boolean') return { ...options, ssl }
  const [ca, cert, key] = await Promise.all([ssl.caFile, ssl.certFile, ssl.keyFile].map(readPem))
  return { ...options, ssl: { ca, cert, key, rejectUnauthorized: ssl.rejectUnauthorized } }
}

/** The text of a PEM file; undefined without a path. */
export const readPem = async (path: string | undefined): Promise<string | undefined> => {
  if (path === undefined) return undefined
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new MillraceError('file-unreadable', `${path}: ${(cause as Error).message}`, { cause })
  }
}
