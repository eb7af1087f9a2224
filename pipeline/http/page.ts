/** The page and what belongs to it: the files of one folder, read once and served from memory. */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { extname, join, relative, sep } from 'node:path'
import type { FastifyInstance } from 'fastify'

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
}

/** `folder` may be missing (a checkout that was not built): then there is no page. */
export const addPage = async (app: FastifyInstance, folder: string): Promise<void> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  for (const entry of entries) {
    const type = types[extname(entry.name)]
    if (!entry.isFile() || type === undefined) continue
    const path = join(entry.parentPath, entry.name)
    const url = `/${relative(folder, path).split(sep).join('/')}`
    const bytes = await readFile(path)
    const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`
    // The names of bundled files hold a hash of what is in them.
    const caching = url.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache'
    app.get(url === '/index.html' ? '/' : url, { schema: { hide: true } }, async (request, reply) => {
      reply.headers({ etag, 'cache-control': caching })
      if (request.headers['if-none-match'] === etag) return reply.status(304).send()
      return reply.type(type).send(bytes)
    })
  }
}
