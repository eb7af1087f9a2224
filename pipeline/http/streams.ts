/** What is pushed to whoever listens: the events of the deployment, and what the page shows. */
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { createEventStreams } from './event-stream.js'
import type { ServedWorker } from './ports.js'
import { problems } from './problem.js'

const response = {
  200: { description: 'Server-sent events', content: { 'text/event-stream': { schema: z.string() } } },
  ...problems,
}

export const addStreams = (plain: FastifyInstance, { events, flow, samples, letters, late }: ServedWorker): void => {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  const streams = createEventStreams(plain)

  app.get(
    '/v1/events',
    {
      schema: {
        tags: ['streams'],
        summary: 'What happens to the models and workers of the deployment',
        description:
          'One `ModelEvent` a message. Whoever comes back with `Last-Event-ID` is told what it has missed, as far as that is kept.',
        querystring: z.object({
          recent: z.coerce
            .number()
            .int()
            .min(0)
            .max(500)
            .default(50)
            .describe('how many of those before are told first'),
        }),
        response,
      },
    },
    (request, reply) => {
      streams.open(reply, (send) => {
        const tell = (event: (typeof events.latest)[number]) => send({ event: 'event', id: event.offset, data: event })
        const last = Number(request.headers['last-event-id'] ?? Number.NaN)
        const { latest } = events
        const missed = Number.isInteger(last)
          ? latest.filter(({ offset }) => offset > last)
          : latest.slice(latest.length - Math.min(latest.length, request.query.recent))
        for (const event of missed) tell(event)
        return events.next.subscribe(tell)
      })
    },
  )

  app.get(
    '/v1/live',
    {
      schema: {
        tags: ['streams'],
        summary: 'What the page shows, second by second',
        description:
          'First `history` with the last minutes, then a `frame` every second with samples of what passed and, where they have changed, the dead ' +
          'letters and late records of the deployment, and every `event` of the deployment: one connection is enough for a page.',
        response,
      },
    },
    (_request, reply) => {
      streams.open(reply, (send) => {
        const predictions = since(samples.predictions)
        const deadLetters = changed(() => letters.current)
        const lateRecords = changed(() => late?.current)
        const sampled = () => ({
          labels: samples.labels,
          predictions: predictions(),
          deadLetters: deadLetters(),
          lateRecords: lateRecords(),
          shown: samples.shown,
        })
        send({ event: 'history', data: { frames: flow.frames, events: events.latest.slice(-100), ...sampled() } })
        const listening = flow.next.subscribe((frame) => send({ event: 'frame', data: { frame, ...sampled() } }))
        listening.add(events.next.subscribe((event) => send({ event: 'event', data: event })))
        listening.add(letters.look())
        listening.add(late?.look())
        return listening
      })
    },
  )
}

/** What has come to a ring (newest first) since it was asked before. */
const since = <T>(ring: readonly T[]): (() => T[]) => {
  let last: T | undefined
  return () => {
    const end = last === undefined ? -1 : ring.indexOf(last)
    last = ring[0] ?? last
    return ring.slice(0, end < 0 ? ring.length : end)
  }
}

/** What it is now; undefined where that is what it was when it was asked before. */
const changed = <T>(now: () => T): (() => T | undefined) => {
  let last: T | undefined
  return () => {
    const before = last
    last = now()
    return last === before ? undefined : last
  }
}
