/** The token as whoever runs a worker gives it. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { millrace, startMillrace } from '../../fixtures/cli.js'
import { createDeployment } from '../../fixtures/deployment.js'
import { authorized, token } from '../../fixtures/served.js'
import { temporaryDirectory } from '../../fixtures/stack-programs.js'

const beyond = ['run', '--model', 'digits@1', '--set', 'http.host=0.0.0.0', '--set', 'http.port=0']

test('without a token a worker that others could reach does not begin', async () => {
  const { code, stdout, stderr } = await millrace(beyond, { environment: { MILLRACE_DEPLOYMENT: 'd' } })
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr.trim().split('\n')).toEqual([
    expect.stringContaining('http.host: 0.0.0.0 is reached from other machines: set http.token or http.tokenFile'),
  ])
})

test('with one, from the environment or from a file, it listens and asks for it', async () => {
  const { name } = await createDeployment({ partitions: 1 })
  const file = join(await temporaryDirectory(), 'token')
  await writeFile(file, token)
  for (const given of [{ MILLRACE_HTTP_TOKEN: token }, { MILLRACE_HTTP_TOKEN_FILE: file }]) {
    const running = startMillrace(beyond, { environment: { MILLRACE_DEPLOYMENT: name, ...given } })
    const said = await running.printed(/"the page"/, 'stderr')
    const { url } = JSON.parse(said.split('\n').find((line) => line.includes('"the page"'))!) as { url: string }
    const change = async (headers: Record<string, string>) => {
      const { status } = await fetch(`${url.replace('0.0.0.0', '127.0.0.1')}/v1/config`, {
        method: 'PATCH',
        body: '{}',
        headers: { 'content-type': 'application/json', ...headers },
      })
      return status
    }
    expect([await change({}), await change(authorized)]).toEqual([401, 200])
    expect((await running.interrupt()).stderr).not.toContain(token)
  }
})
