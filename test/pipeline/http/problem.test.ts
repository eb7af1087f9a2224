/** Every error of the REST interface is a problem of the one error table, however early it is found. */
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import type { InjectOptions } from 'fastify'
import { expect, test } from 'vitest'
import { problemOf } from '../../../pipeline/http/problem.js'
import { type ErrorCode, errors, MillraceError } from '../../../stages/errors.js'
import { authorized, serveUnderTest } from '../../fixtures/served.js'

test('an error of the table is a problem with its message and its remedy', () => {
  for (const [code, { message, remedy, retryable }] of Object.entries(errors)) {
    const { status, ...problem } = problemOf(new MillraceError(code as ErrorCode, 'so and so'))
    expect(problem).toEqual({
      type: `urn:millrace:error:${code}`,
      title: message,
      detail: 'so and so',
      code,
      retryable,
      remedy,
    })
    expect(status).toBeGreaterThanOrEqual(400)
  }
})

test('the document names the codes of the table, and that every address may answer with a problem', async () => {
  const { app } = await serveUnderTest()
  const { paths, components } = (await app.inject('/openapi.json')).json()
  expect(components.schemas.Problem.properties.code.enum).toEqual(Object.keys(errors))
  for (const methods of Object.values<Record<string, { responses: Record<string, { content: object }> }>>(paths))
    for (const { responses } of Object.values(methods))
      expect(responses.default?.content).toHaveProperty(['application/problem+json'])
})

const json = { ...authorized, 'content-type': 'application/json' }
test.each([
  ['JSON that is none', { method: 'PATCH', url: '/v1/config', headers: json, payload: '{' }, 400],
  ['no JSON where some belongs', { method: 'POST', url: '/v1/switch', headers: json }, 400],
  ['a name that is none', { method: 'DELETE', url: '/v1/models/nothing', headers: authorized }, 400],
  ['a query that is none', { method: 'GET', url: '/v1/events?recent=many' }, 400],
  ['an address that is not written as one', { method: 'GET', url: '/v1/models/%ff' }, 400],
  ['an address that is far too long', { method: 'DELETE', url: `/v1/models/${'a'.repeat(5_000)}@1` }, 400],
] as const)('%s is a problem', async (_what, request, status) => {
  const { app } = await serveUnderTest()
  const answer = await app.inject(request as InjectOptions)
  expect([answer.statusCode, answer.headers['content-type']]).toEqual([status, 'application/problem+json'])
  const problem = answer.json()
  expect(problem).toMatchObject({ status, remedy: errors[problem.code as ErrorCode].remedy })
})

test.each([
  ['what is no HTTP', 'hello\r\n\r\n'],
  ['headers beyond measure', `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'x'.repeat(100_000)}\r\n\r\n`],
])('%s is a problem too', async (_what, said) => {
  const { app } = await serveUnderTest()
  await app.listen({ port: 0, host: '127.0.0.1' })
  const socket = connect((app.server.address() as { port: number }).port, '127.0.0.1', () => socket.write(said))
  const [head, body] = (await text(socket)).split('\r\n\r\n')
  expect(head).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n.*content-type: application\/problem\+json/is)
  expect(JSON.parse(body!)).toMatchObject({ code: 'request-invalid', remedy: errors['request-invalid'].remedy })
})
