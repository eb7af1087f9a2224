/** Archives on their way in, over a real connection. */
import { once } from 'node:events'
import { readdir, stat } from 'node:fs/promises'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { expect, onTestFinished, test, vi } from 'vitest'
import { authorized, serveUnderTest, token } from '../../fixtures/served.js'
import { temporaryDirectory } from '../../fixtures/stack-programs.js'

/** An upload that says nothing of its length; uploads are kept in `folder` meanwhile. */
const begin = async (maxUploadBytes: number) => {
  const folder = await temporaryDirectory()
  vi.stubEnv('TMPDIR', folder)
  onTestFinished(() => void vi.unstubAllEnvs())
  const { app, pushed } = await serveUnderTest({ token, maxUploadBytes })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const upload: ClientRequest = request({
    port: (app.server.address() as { port: number }).port,
    method: 'POST',
    path: '/v1/models',
    headers: { ...authorized, 'content-type': 'application/gzip' },
  })
  onTestFinished(() => void upload.destroy())
  upload.on('error', () => undefined)
  const under = async () => (await readdir(folder)).filter((name) => name.startsWith('millrace-upload-'))
  return { upload, folder, under, pushed }
}

const piece = Buffer.alloc(1 << 20)

test('an archive is in a file as it comes, and nothing of it is left where the sender goes away', async () => {
  const { upload, folder, under, pushed } = await begin(1 << 30)
  for (let i = 0; i < 8; i++) upload.write(piece)
  const arrived = async () => {
    const [name] = await under()
    return name === undefined
      ? 0
      : stat(join(folder, name, 'bundle.tar.gz')).then(
          ({ size }) => size,
          () => 0,
        )
  }
  await expect.poll(arrived).toBe(8 << 20)
  upload.destroy()
  await expect.poll(under).toEqual([])
  expect(pushed).toEqual([])
})

test('one that does not say how long it is is refused as soon as it is too long, while it is still being sent', async () => {
  const { upload, under } = await begin(2 << 20)
  let sent = 0
  const send = () => {
    while (sent < 256 && !upload.destroyed && upload.write(piece)) sent++
  }
  upload.on('drain', send)
  send()
  const [answer] = (await once(upload, 'response')) as [IncomingMessage]
  expect(answer.statusCode).toBe(413)
  expect(await json(answer)).toMatchObject({ code: 'body-too-large' })
  expect(sent).toBeLessThan(256)
  await expect.poll(under).toEqual([])
})
