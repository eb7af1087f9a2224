/** The REST interface as one server. */
import type { AddressInfo } from 'node:net'
import swagger from '@fastify/swagger'
import { type FastifyInstance, fastify } from 'fastify'
import {
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  serializerCompiler,
  validatorCompiler,
} from 'fastify-type-provider-zod'
import { MillraceError } from '../../stages/errors.js'
import { type HttpSettings, isLoopback } from '../config-http.js'
import type { Logger } from '../logging.js'
import { createAuth, TooManyFailures, tokenOf } from './auth.js'
import { addGuard } from './guard.js'
import { addPage } from './page.js'
import type { ServedWorker } from './ports.js'
import { addProblems, answerNoRequest, sendProblem } from './problem.js'
import { addRoutes } from './routes.js'
import { addStreams } from './streams.js'
import { certificateOf } from './tls.js'
import { addUpload } from './upload-route.js'

export interface HttpServerOptions {
  readonly settings: HttpSettings
  readonly worker: ServedWorker
  readonly logger: Logger
  /** folder with the built page */
  readonly page: string
  /** in the OpenAPI document */
  readonly version?: string
}

export interface HttpServer {
  /** http://127.0.0.1:8085 */
  readonly url: string
  /** Ends event streams and waits for answers that are under way. */
  close(): Promise<void>
}

const mostJsonBytes = 64 * 1024

/** Listens. Throws `port-taken`, and `file-unreadable` or `config-invalid` for the files of the settings. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { settings } = options
  const { host, port } = settings
  // What is wrong with the file is said now, not to the first who needs it.
  await tokenOf(settings)
  const app = await createHttpServer(options)
  try {
    await app.listen({ host, port })
  } catch (cause) {
    await app.close()
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') throw new MillraceError('port-taken', `${host}:${port} (http.port)`, { cause })
    throw new MillraceError('config-invalid', `http.host, http.port: ${message}`, { cause })
  }
  if (!settings.tls && !isLoopback(host))
    options.logger.warn({ host }, 'the token crosses the network in the clear, unless something in front of it has TLS')
  const { port: bound, family, address } = app.server.address() as AddressInfo
  const name = family === 'IPv6' ? `[${address}]` : address
  return { url: `${settings.tls ? 'https' : 'http'}://${name}:${bound}`, close: () => app.close() }
}

/** The server without its port. */
export async function createHttpServer(options: HttpServerOptions): Promise<FastifyInstance> {
  const { settings, worker, logger } = options
  const { host, names, tls, maxUploadBytes } = settings
  const app = fastify({
    https: tls ? await certificateOf(tls) : null,
    bodyLimit: mostJsonBytes,
    routerOptions: { maxParamLength: 300 },
    forceCloseConnections: true,
    return503OnClosing: true,
    clientErrorHandler: answerNoRequest,
    frameworkErrors: (error, _request, reply) => void sendProblem(error, reply),
  }) as unknown as FastifyInstance
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.removeContentTypeParser('text/plain')
  addGuard(app, { host, names, secure: tls !== undefined })
  addProblems(app, { onInternal: (error) => logger.error({ err: error }, 'a request failed') })

  const auth = createAuth(() => tokenOf(settings))
  app.addHook('onRoute', (route) => {
    if ([route.method].flat().every((method) => method === 'GET' || method === 'HEAD')) return
    route.schema = { ...route.schema, security: [{ token: [] }] }
    route.onRequest = async (request, reply) => {
      try {
        await auth.check(request.headers.authorization, request.ip)
      } catch (error) {
        if (error instanceof TooManyFailures) reply.header('retry-after', error.retryAfterSeconds)
        logger.warn({ address: request.ip, method: request.method, url: request.url }, (error as Error).message)
        throw error
      }
    }
    route.onResponse = async (request, reply) => {
      if (reply.statusCode < 400)
        logger.info(
          { address: request.ip, method: request.method, url: request.url, status: reply.statusCode },
          'changed by request',
        )
    }
  })
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Millrace',
        version: options.version ?? '1',
        description: 'One worker of a deployment. Reading is free; what changes something takes the token.',
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  })
  await app.register(async (scope) => {
    addRoutes(scope, worker)
    addStreams(scope, worker)
    scope.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
    await scope.register(async (archives) => addUpload(archives, worker, maxUploadBytes))
    await addPage(scope, options.page)
  })
  await app.ready()
  return app
}
