/**
 * kafkajs puts the pieces of a response together by copying all of it, also when it comes whole. From the sockets that give whole responses
 * they are taken as they are; authentication, and every other socket, stays kafkajs's.
 */
import type { Socket } from 'node:net'
import { patchOnce } from './internals.js'
import { givesFrames } from './socket.js'

interface Connection {
  readonly socket: Socket
  /** while the connection authenticates */
  readonly authHandlers: unknown
  readonly bytesBuffered: number
  readonly requestQueue: { fulfillRequest(response: { size: number; correlationId: number; payload: Buffer }): void }
  processData(data: Buffer): void
}

/** length and correlation id */
const headerBytes = 8

/** Idempotent; does nothing on a release of kafkajs that is not known. */
export const installWholeResponses = patchOnce<{ prototype: Connection }>('network/connection', ({ prototype }) => {
  const { processData } = prototype
  prototype.processData = function (this: Connection, data) {
    const taken =
      !this.authHandlers && this.bytesBuffered === 0 && data.length >= headerBytes && givesFrames(this.socket)
    if (!taken) return processData.call(this, data)
    const [size, correlationId] = [data.readInt32BE(0), data.readInt32BE(4)]
    this.requestQueue.fulfillRequest({ size, correlationId, payload: data.subarray(headerBytes) })
  }
})
