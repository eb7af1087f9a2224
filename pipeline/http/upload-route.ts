/** Where bundles come in. It has a scope of its own: nothing else takes archives, and this takes nothing else. */
import type { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import * as views from '../rest-views.js'
import type { ServedWorker } from './ports.js'
import { problems } from './problem.js'
import { withUpload } from './upload.js'

const types = ['application/gzip', 'application/x-gzip', 'application/octet-stream']

export const addUpload = (scope: FastifyInstance, { models }: ServedWorker, maxBytes: number): void => {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(types, { bodyLimit: maxBytes }, (_request, payload, done) => done(null, payload))
  scope.withTypeProvider<ZodTypeProvider>().post(
    '/v1/models',
    {
      schema: {
        tags: ['models'],
        summary: 'Add a bundle',
        description:
          'The archive is verified, kept here, and sent to every worker of the deployment; its model is tried when something switches to it.',
        consumes: types,
        body: z.any().meta({ type: 'string', format: 'binary', description: 'The bytes of a .tar.gz' }),
        response: { 200: views.stored.describe('It was there already'), 201: views.stored, ...problems },
      },
    },
    async ({ body }, reply) => {
      const stored = await withUpload(body as Readable | undefined, maxBytes, (path) => models.put(path))
      return reply.status(stored.stored ? 201 : 200).send(stored)
    },
  )
}
