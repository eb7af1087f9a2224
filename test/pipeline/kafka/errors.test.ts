import { expect, test } from 'vitest'
import { describeKafkaError, kafkaErrorType } from '../../../pipeline/kafka/errors.js'
import { errors, MillraceError } from '../../../stages/errors.js'

const failure = (name: string, message: string, more: Record<string, unknown> = {}) =>
  Object.assign(new Error(message), { name, ...more })

test.each([
  [failure('KafkaJSConnectionError', 'connect ECONNREFUSED 10.0.0.1:9092'), 'broker-unreachable'],
  [failure('KafkaJSConnectionClosedError', 'Closed connection', { broker: 'b:1' }), 'broker-unreachable'],
  [failure('KafkaJSSASLAuthenticationError', 'SASL PLAIN authentication failed'), 'credentials-refused'],
  [failure('KafkaJSProtocolError', 'no', { type: 'TOPIC_AUTHORIZATION_FAILED' }), 'not-authorized'],
  [failure('KafkaJSProtocolError', 'no', { type: 'GROUP_AUTHORIZATION_FAILED' }), 'not-authorized'],
  [failure('KafkaJSProtocolError', 'no such', { type: 'UNKNOWN_TOPIC_OR_PARTITION' }), 'topic-missing'],
  [failure('KafkaJSRequestTimeoutError', 'Request Fetch timed out'), 'timed-out'],
  [failure('TypeError', 'x is not a function'), 'internal'],
])('%s is %s', (error, code) => {
  expect(describeKafkaError(error).code).toBe(code)
})

test('what kafkajs wraps is found under the wrapping', () => {
  const inner = failure('KafkaJSProtocolError', 'not here', { type: 'ILLEGAL_GENERATION' })
  const outer = failure('KafkaJSNonRetriableError', 'not here', { cause: inner })
  expect(kafkaErrorType(outer)).toBe('ILLEGAL_GENERATION')
  const refused = failure('KafkaJSNumberOfRetriesExceeded', 'gone', {
    cause: failure('KafkaJSConnectionError', 'gone'),
  })
  expect(describeKafkaError(refused).code).toBe('broker-unreachable')
})

test('of errors that came together each is looked at', () => {
  const aggregate = failure('KafkaJSAggregateError', 'Topic creation errors', {
    errors: [failure('KafkaJSCreateTopicError', 'exists', { type: 'TOPIC_ALREADY_EXISTS' })],
  })
  expect(kafkaErrorType(aggregate)).toBe('TOPIC_ALREADY_EXISTS')
})

test('an error that is ours already passes unchanged, also from inside', () => {
  const ours = new MillraceError('config-invalid', 'zstd')
  expect(describeKafkaError(ours)).toBe(ours)
  expect(describeKafkaError(failure('KafkaJSNonRetriableError', 'zstd', { cause: ours }))).toBe(ours)
})

test('the line names the place and what can be done', () => {
  const error = describeKafkaError(
    failure('KafkaJSConnectionClosedError', 'Closed connection', { broker: 'kafka:9092' }),
  )
  expect(error.message).toBe('Kafka cannot be reached: kafka:9092: Closed connection')
  expect(error.remedy).toBe(errors['broker-unreachable'].remedy)
})

test('causes that go round in circles come to an end', () => {
  const error = failure('Error', 'round')
  Object.assign(error, { cause: error })
  expect(describeKafkaError(error).code).toBe('internal')
})
