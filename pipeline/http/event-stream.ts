/** Server-sent events: one stream a listener, bounded in number and in what may wait for a slow one. */
import { PassThrough } from 'node:stream'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Subscription } from 'rxjs'
import { MillraceError } from '../../stages/errors.js'

export interface ServerEvent {
  readonly event?: string
  readonly id?: string | number
  readonly data: unknown
}

export interface EventStreams {
  /**
   * Answers with a stream that lasts until the listener or the server goes. `begin` gets the function that sends, and returns what ends with
   * the stream. Throws `too-busy` when too many listen.
   */
  open(reply: FastifyReply, begin: (send: (event: ServerEvent) => void) => Subscription): void
}

const mostListeners = 64
const mostWaitingBytes = 4 << 20
const beatMs = 15_000

export const createEventStreams = (app: FastifyInstance): EventStreams => {
  const open = new Set<PassThrough>()
  app.addHook('preClose', async () => {
    for (const stream of open) stream.end()
  })
  return {
    open(reply, begin) {
      if (open.size >= mostListeners) throw new MillraceError('too-busy', `${open.size} event streams are open`)
      const stream = new PassThrough()
      open.add(stream)
      const write = (text: string) => {
        if (stream.destroyed || stream.writableEnded) return
        stream.write(text)
        // It comes back by itself, and is told what it missed.
        if (stream.readableLength + stream.writableLength > mostWaitingBytes) stream.destroy()
      }
      // Something at once, so that proxies and browsers see that the stream is open.
      write('retry: 2000\n\n')
      const beat = setInterval(() => write(':\n\n'), beatMs)
      const subscription = begin(({ event, id, data }) =>
        write(
          `${event === undefined ? '' : `event: ${event}\n`}${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`,
        ),
      )
      stream.once('close', () => {
        clearInterval(beat)
        subscription.unsubscribe()
        open.delete(stream)
      })
      reply.type('text/event-stream').header('x-accel-buffering', 'no').send(stream)
    },
  }
}
