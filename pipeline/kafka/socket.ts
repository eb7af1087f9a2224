import net from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { KafkaConfig } from 'kafkajs'
import { MemoryPool } from '../../stages/lent-memory.js'
import { FrameReader } from './frame-reader.js'

type SocketFactory = NonNullable<KafkaConfig['socketFactory']>

/** What is read from a socket at a time while it is not known what comes: the more, the fewer turns of the event loop. */
const readBytes = 512 * 1024
/** One for all: what it holds is copied before the next read. Made with the first connection. */
let received: Buffer | undefined

/** Large responses are fetches, and come one like the other. */
const largeBytes = 128 * 1024
const frames = new MemoryPool(32 * 1024 * 1024)

const whole = new WeakSet<net.Socket>()

/** Whether each `data` of the socket is one response, with its length before it. */
export const givesFrames = (socket: net.Socket): boolean => whole.has(socket)

/**
 * As kafkajs opens them, but sent at once is what is written: a small request would wait for the answer to the one before it, or for the
 * broker's delayed acknowledgement. And without TLS responses come whole, large ones in memory that is used again: Node would make a
 * buffer of 64 KB for every piece of a fetch.
 */
export const openSocket: SocketFactory = ({ host, port, ssl, onConnect }) => {
  const servername = net.isIP(host) === 0 ? { servername: host } : {}
  const socket = ssl
    ? connectTls({ host, port, ...servername, ...ssl }, onConnect)
    : connectPlain(host, port, onConnect)
  return socket.setKeepAlive(true, 60_000).setNoDelay(true)
}

const connectPlain = (host: string, port: number, onConnect: () => void): net.Socket => {
  received ??= Buffer.allocUnsafeSlow(readBytes)
  const elsewhere = received
  const reader = new FrameReader({
    allocate: (bytes) => (bytes < largeBytes ? Buffer.allocUnsafe(bytes) : Buffer.from(frames.take(bytes), 0, bytes)),
    onFrame: (frame) => socket.emit('data', frame),
    onLost(bytes) {
      whole.delete(socket)
      socket.emit('data', bytes)
    },
  })
  const onread = {
    // Asked again after each read: most of a fetch is received where it is read from later.
    buffer: () => reader.room ?? elsewhere,
    callback(bytes: number, buffer: Uint8Array) {
      reader.read(Buffer.from(buffer.buffer, buffer.byteOffset, bytes))
      return true
    },
  }
  const socket: net.Socket = net.connect({ host, port, onread }, onConnect)
  whole.add(socket)
  return socket
}
