import { expect, test } from 'vitest'
import { headRoom, withHeadRoom } from '../../../pipeline/kafka/head-room.js'
import { internal } from '../../../pipeline/kafka/internals.js'

interface Written {
  readonly buf: Buffer
  readonly buffer: Buffer
}

/** A request as kafkajs makes it. */
const requestOf = async (body: Written, clientId: string): Promise<Buffer> => {
  const create = internal<(of: object) => Promise<Written>>('protocol/request')!
  const request = { apiKey: 0, apiVersion: 7, encode: async () => body }
  return (await create({ correlationId: 17, clientId, request })).buffer
}

const bodyOf = (length: number): Buffer => {
  const memory = Buffer.allocUnsafeSlow(headRoom + length)
  for (let at = headRoom; at < memory.length; at++) memory[at] = at % 251
  return memory.subarray(headRoom)
}

test('the head of a request goes before its body, which stays where it is', async () => {
  const body = bodyOf(100_000)
  const copied = await requestOf({ buf: Buffer.from(body), buffer: Buffer.from(body) }, 'millrace')
  const request = await requestOf(withHeadRoom(body), 'millrace')
  expect(request.equals(copied)).toBe(true)
  expect(request.buffer).toBe(body.buffer)
})

test('a head that is longer than the room is written as kafkajs does', async () => {
  const body = bodyOf(100)
  const clientId = 'x'.repeat(headRoom)
  const copied = await requestOf({ buf: Buffer.from(body), buffer: Buffer.from(body) }, clientId)
  const request = await requestOf(withHeadRoom(body), clientId)
  expect(request.equals(copied)).toBe(true)
  expect(request.buffer).not.toBe(body.buffer)
})
