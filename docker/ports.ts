import { createServer, type Server } from 'node:net'
import { MillraceError } from '../stages/errors.js'

export const loopback = '127.0.0.1'

/**
 * Ports of the loopback interface that can be listened on now: the wanted ones where a number is given, free ones where
 * it is undefined. All are held at once before they are let go, so no two are equal.
 *
 * Errors: `port-taken` for a wanted port.
 */
export async function availablePorts(wanted: readonly (number | undefined)[]): Promise<number[]> {
  const servers: Server[] = []
  try {
    const ports: number[] = []
    // The wanted ones first: a free one must not land on them.
    const order = wanted.map((port, index) => ({ port, index })).sort((a, b) => (b.port ?? 0) - (a.port ?? 0))
    for (const { port, index } of order) {
      const server = await listen(port ?? 0)
      servers.push(server)
      ports[index] = (server.address() as { port: number }).port
    }
    return ports
  } finally {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  }
}

function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const detail = `${loopback}:${port}${cause.code === 'EADDRINUSE' ? '' : ` (${cause.code})`}`
      reject(new MillraceError('port-taken', detail, { cause }))
    })
    server.listen({ host: loopback, port, exclusive: true }, () => resolve(server))
  })
}
