/** The addresses of the REST interface. Whatever is not GET asks for the token: `server.ts` sees to that. */
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import * as views from '../rest-views.js'
import type { ServedWorker } from './ports.js'
import { problems } from './problem.js'

const text = (type: string) => ({ content: { [type]: { schema: z.string() } } })
export const addRoutes = (plain: FastifyInstance, worker: ServedWorker): void => {
  const app = plain.withTypeProvider<ZodTypeProvider>()

  app.get(
    '/livez',
    {
      schema: {
        tags: ['probes'],
        summary: 'Whether the process lives',
        response: { 200: z.object({ live: z.literal(true) }), ...problems },
      },
    },
    async () => ({ live: true as const }),
  )

  const readiness = z.object({ ready: z.boolean(), waiting: z.array(z.string()).describe('what it waits for') })
  app.get(
    '/readyz',
    {
      schema: {
        tags: ['probes'],
        summary: 'Whether it has joined its group and waits for nothing',
        response: { 200: readiness, 503: readiness.describe('It is not ready'), ...problems },
      },
    },
    async (_request, reply) => {
      const { ready, waiting } = worker.ready()
      return reply.status(ready ? 200 : 503).send({ ready, waiting: [...waiting] })
    },
  )

  app.get(
    '/metrics',
    {
      schema: {
        tags: ['probes'],
        summary: 'Metrics for Prometheus',
        response: { 200: text('text/plain'), ...problems },
      },
    },
    async (_request, reply) => reply.type(worker.metrics.contentType).send(await worker.metrics.text()),
  )

  app.get(
    '/v1/status',
    {
      schema: { tags: ['worker'], summary: 'This worker, and its group', response: { 200: views.status, ...problems } },
    },
    () => worker.status(),
  )

  app.get(
    '/v1/config',
    {
      schema: {
        tags: ['worker'],
        summary: 'Every setting, and where it came from',
        response: { 200: views.settings, ...problems },
      },
    },
    async () => ({ settings: worker.config.settings() }),
  )

  app.patch(
    '/v1/config',
    {
      schema: {
        tags: ['worker'],
        summary: 'Change settings while it runs',
        description:
          'Groups in groups, as in the file. Checked together with all other settings and taken as a whole, from the next micro-batch on. Holds until this worker stops.',
        body: views.liveSettings,
        response: { 200: views.settingChanges, ...problems },
      },
    },
    async ({ body }) => worker.config.change(body),
  )

  app.get(
    '/v1/models',
    {
      schema: { tags: ['models'], summary: 'The bundles in the store', response: { 200: views.bundles, ...problems } },
    },
    async () => ({ models: await worker.models.list(), mutable: worker.models.mutable }),
  )

  app.delete(
    '/v1/models/:ref',
    {
      schema: {
        tags: ['models'],
        summary: 'Remove a bundle from the store',
        params: views.bundleParams,
        response: { 200: views.removed, ...problems },
      },
    },
    async ({ params }) => worker.models.remove(params.ref),
  )

  app.post(
    '/v1/models/:ref/verify',
    {
      schema: {
        tags: ['models'],
        summary: 'Try a bundle through every gate, without switching to it',
        params: views.bundleParams,
        response: { 200: views.gateReport, ...problems },
      },
    },
    async ({ params }) => worker.models.verify(params.ref),
  )

  app.post(
    '/v1/switch',
    {
      schema: {
        tags: ['models'],
        summary: 'Score with another model from now on, in the whole deployment',
        description:
          'Or with two: a canary scores a share of the keys, a shadow scores everything without being published.',
        body: views.switchRequest,
        response: { 202: views.sentCommand, ...problems },
      },
    },
    async ({ body: { model, digest, canary, shadow } }, reply) => {
      const action = canary !== undefined ? 'CANARY' : shadow ? 'SHADOW' : 'SWITCH'
      return reply.status(202).send(await worker.send({ action, model, digest, percent: canary }))
    },
  )

  app.post(
    '/v1/rollback',
    {
      schema: {
        tags: ['models'],
        summary: 'Go back to the model before',
        response: { 202: views.sentCommand, ...problems },
      },
    },
    async (_request, reply) => reply.status(202).send(await worker.send({ action: 'ROLLBACK' })),
  )
}
