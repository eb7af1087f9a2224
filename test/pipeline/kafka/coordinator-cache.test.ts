import { expect, test } from 'vitest'
import { createTransactionalPublisher } from '../../../pipeline/kafka/transactional-publisher.js'
import { createTopic, testKafka, uniqueName } from '../../fixtures/kafka.js'

test('a transactional producer asks once who coordinates its transactions, and once who coordinates the group', async () => {
  const [input, output] = [await createTopic(uniqueName('input'), 1), await createTopic(uniqueName('output'), 1)]
  const kafka = testKafka()
  const asked: string[] = []
  const { producer: make } = kafka
  kafka.producer = (config) => {
    const producer = make.call(kafka, config)
    producer.on('producer.network.request', ({ payload }) => void asked.push(payload.apiName))
    return producer
  }
  const topics = { predictions: output, deadLetter: output, late: output, shadow: output, fences: output }
  const publisher = createTransactionalPublisher({ kafka, groupId: uniqueName('group'), topics, intervalMs: 1 })
  await publisher.begin([{ topic: input, partition: 0 }])
  const records = [{ key: null, value: Buffer.from('v'), headers: undefined, timestamp: 1 }]
  for (let start = 0; start < 5; start++)
    await publisher.publish({
      covered: { topic: input, partition: 0, start, next: start + 1 },
      outgoing: [{ kind: 'predictions', partition: 0, records }],
    })
  await publisher.close()
  expect(asked.filter((name) => name === 'EndTxn')).toHaveLength(5)
  expect(asked.filter((name) => name === 'GroupCoordinator' || name === 'FindCoordinator')).toHaveLength(2)
})
