/** kafkajs's errors, which nest and repeat themselves, as one line that the user can act on. */
import { type ErrorCode, MillraceError } from '../../stages/errors.js'

interface KafkaFailure extends Error {
  /** the broker's name for the error, on protocol errors */
  readonly type?: string
  readonly broker?: string
  readonly topic?: string
  /** of the socket, on connection errors */
  readonly code?: string
}

/** What Node calls a certificate that it does not believe, and an answer that is no TLS. */
const tlsCode = /CERT|SIGNATURE|^ERR_(TLS|SSL)|^EPROTO$/

const byType: Record<string, ErrorCode> = {
  SASL_AUTHENTICATION_FAILED: 'credentials-refused',
  ILLEGAL_SASL_STATE: 'credentials-refused',
  UNSUPPORTED_SASL_MECHANISM: 'credentials-refused',
  TOPIC_AUTHORIZATION_FAILED: 'not-authorized',
  GROUP_AUTHORIZATION_FAILED: 'not-authorized',
  CLUSTER_AUTHORIZATION_FAILED: 'not-authorized',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'not-authorized',
  UNKNOWN_TOPIC_OR_PARTITION: 'topic-missing',
  PRODUCER_FENCED: 'producer-fenced',
  INVALID_PRODUCER_EPOCH: 'producer-fenced',
  REQUEST_TIMED_OUT: 'timed-out',
  INVALID_SESSION_TIMEOUT: 'config-invalid',
  INVALID_TOPIC_EXCEPTION: 'config-invalid',
  INVALID_GROUP_ID: 'config-invalid',
  INCONSISTENT_GROUP_PROTOCOL: 'config-invalid',
  LEADER_NOT_AVAILABLE: 'broker-unreachable',
  NOT_LEADER_FOR_PARTITION: 'broker-unreachable',
  GROUP_COORDINATOR_NOT_AVAILABLE: 'broker-unreachable',
  NOT_COORDINATOR_FOR_GROUP: 'broker-unreachable',
  GROUP_LOAD_IN_PROGRESS: 'broker-unreachable',
  NOT_ENOUGH_REPLICAS: 'broker-unreachable',
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 'broker-unreachable',
  NETWORK_EXCEPTION: 'broker-unreachable',
}

const byName: Record<string, ErrorCode> = {
  KafkaJSSASLAuthenticationError: 'credentials-refused',
  KafkaJSConnectionError: 'broker-unreachable',
  KafkaJSConnectionClosedError: 'broker-unreachable',
  KafkaJSBrokerNotFound: 'broker-unreachable',
  KafkaJSNoBrokerAvailableError: 'broker-unreachable',
  KafkaJSGroupCoordinatorNotFound: 'broker-unreachable',
  KafkaJSMetadataNotLoaded: 'broker-unreachable',
  KafkaJSTopicMetadataNotLoaded: 'topic-missing',
  KafkaJSRequestTimeoutError: 'timed-out',
  KafkaJSTimeout: 'timed-out',
  KafkaJSLockTimeout: 'timed-out',
}

/** The error and what caused it, outermost first; of several that happened together, one after the other. */
export function* causes(error: unknown, seen = new Set<unknown>()): Generator<KafkaFailure> {
  if (!(error instanceof Error) || seen.has(error)) return
  seen.add(error)
  yield error
  yield* causes(error.cause, seen)
  for (const one of (error as { errors?: unknown[] }).errors ?? []) yield* causes(one, seen)
}

/** The broker's name for the error (`ILLEGAL_GENERATION`, …), wherever in the chain it stands. */
export const kafkaErrorType = (error: unknown): string | undefined => {
  for (const failure of causes(error)) if (failure.type !== undefined) return failure.type
  return undefined
}

const codeOf = ({ type, name, code }: KafkaFailure): ErrorCode | undefined => {
  if (name === 'KafkaJSConnectionError' && code !== undefined && tlsCode.test(code)) return 'tls-failed'
  return (type !== undefined ? byType[type] : undefined) ?? byName[name]
}

/** Who is refused at the door: before anything ever went well, waiting does not mend it. */
export const isRefusal = ({ code }: MillraceError): boolean =>
  code === 'credentials-refused' || code === 'not-authorized' || code === 'tls-failed'

/** The error as a `MillraceError`: the first in the chain that has a code of ours, `internal` when none has. */
export const describeKafkaError = (error: unknown, where?: string): MillraceError => {
  for (const failure of causes(error)) {
    if (failure instanceof MillraceError) return failure
    const code = codeOf(failure)
    if (code === undefined) continue
    const place = where ?? failure.topic ?? failure.broker
    const detail =
      place === undefined || failure.message.includes(place) ? failure.message : `${place}: ${failure.message}`
    return new MillraceError(code, detail, { cause: error })
  }
  return new MillraceError('internal', error instanceof Error ? error.message : String(error), { cause: error })
}
