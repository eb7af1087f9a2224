import { EventEmitter, once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, inject, test } from 'vitest'
import { createRegistry, type RegistryOptions, type SchemaRegistry } from '../../../pipeline/avro/registry.js'
import { uniqueName } from '../../fixtures/kafka.js'
import { startTcpProxy } from '../../fixtures/tcp-proxy.js'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

const open = (options: Partial<RegistryOptions> = {}): SchemaRegistry => {
  const registry = createRegistry({ url: inject('registry'), ...options })
  ends.push(() => registry.close())
  return registry
}

const record = (name: string, ...fields: unknown[]) => ({ type: 'record', name, namespace: 'test', fields })
const a = { name: 'a', type: 'int' }
const b = { name: 'b', type: ['null', 'string'], default: null }

/** The registry behind a door. */
const behindDoor = async (open = true) => {
  const url = new URL(inject('registry'))
  const door = await startTcpProxy(url.host, { open })
  ends.push(() => door.close())
  url.host = door.address
  return { door, url: url.href }
}

/** An HTTP server that gives the same answer to everything and counts the questions. */
const answering = async (status: number, body: string) => {
  const asked: string[] = []
  const server: Server = createServer((request, response) => {
    const { authorization } = request.headers
    asked.push(`${request.method} ${request.url}${authorization ? ` ${authorization}` : ''}`)
    response.writeHead(status, { 'content-type': 'application/json' }).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  ends.push(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

/** Resolves with the first detail that is said of a state. */
const stateOf = () => {
  const said = new EventEmitter()
  const first = async (state: string): Promise<string> => (await once(said, state))[0]
  const onState: RegistryOptions['onState'] = (state, detail) => said.emit(state, detail)
  return { onState, waiting: first('waiting'), running: first('running') }
}

describe('schemas', () => {
  test('what is registered under a subject is found by id, as latest and as a version', async () => {
    const subject = uniqueName('subject')
    const registry = open()
    const first = await registry.register(subject, record('R', a))
    expect(await registry.register(subject, record('R', a))).toBe(first)
    const second = await registry.register(subject, record('R', a, b))
    expect(second).not.toBe(first)
    expect(registry.known(second)).toEqual(record('R', a, b))

    const other = open()
    expect(other.known(first)).toBeUndefined()
    expect(await other.fetch(first)).toEqual(record('R', a))
    expect(other.known(first)).toEqual(record('R', a))
    expect(await other.latest(subject)).toEqual({ version: 2, id: second, schema: record('R', a, b) })
    expect((await other.versions(subject)).map(({ version, id }) => [version, id])).toEqual([
      [1, first],
      [2, second],
    ])
  })

  test('a subject that does not exist has no latest and no versions', async () => {
    expect(await open().latest(uniqueName('nobody'))).toBeUndefined()
    expect(await open().versions(uniqueName('nobody'))).toEqual([])
  })

  test('references to other subjects are written out', async () => {
    const inner = uniqueName('inner')
    await open().register(inner, record('Inner', a))
    const outer = { type: 'record', name: 'Outer', fields: [{ name: 'i', type: 'test.Inner' }] }
    const response = await fetch(`${inject('registry')}/subjects/${uniqueName('outer')}/versions`, {
      method: 'POST',
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
      body: JSON.stringify({
        schema: JSON.stringify(outer),
        references: [{ name: 'test.Inner', subject: inner, version: 1 }],
      }),
    })
    const { id } = (await response.json()) as { id: number }
    expect(await open().fetch(id)).toMatchObject({
      name: 'Outer',
      fields: [{ name: 'i', type: { name: 'test.Inner', fields: [{ name: 'a', type: 'int' }] } }],
    })
  })
})

test('an id that does not exist is asked for once', async () => {
  const { url, asked } = await answering(404, JSON.stringify({ error_code: 40403, message: 'no such schema' }))
  const registry = open({ url })
  expect(await registry.fetch(77)).toBeUndefined()
  expect(await registry.fetch(77)).toBeUndefined()
  expect(asked).toEqual(['GET /schemas/ids/77'])
  expect(await open().fetch(2_000_000_000)).toBeUndefined()
})

test('one request serves all who ask for an id at the same time', async () => {
  const { url, asked } = await answering(200, JSON.stringify({ schema: '"int"' }))
  const registry = open({ url })
  expect(await Promise.all([registry.fetch(1), registry.fetch(1), registry.fetch(1)])).toEqual(['int', 'int', 'int'])
  expect(asked).toHaveLength(1)
})

describe('a registry that is not there', () => {
  test('is waited for from the start, and in the middle', async () => {
    const { door, url } = await behindDoor(false)
    const state = stateOf()
    const registry = open({ url, onState: state.onState })
    const subject = uniqueName('subject')
    const registering = registry.register(subject, record('R', a))
    expect(await state.waiting).toContain('the schema registry cannot be reached')
    door.restore()
    const id = await registering
    expect(await state.running).toContain('answers')

    const again = stateOf()
    const other = open({ url, onState: again.onState })
    door.cut()
    const fetching = other.fetch(id)
    await again.waiting
    door.restore()
    expect(await fetching).toEqual(record('R', a))
  })

  test('is given up on after the time-out when it is silent, and asked again', async () => {
    const { door, url } = await behindDoor()
    const id = await open().register(uniqueName('subject'), record('R', a))
    door.mute()
    const state = stateOf()
    const fetching = open({ url, timeoutMs: 500, onState: state.onState }).fetch(id)
    expect(await state.waiting).toContain('no answer within 500 ms')
    door.restore()
    expect(await fetching).toEqual(record('R', a))
  })

  test.each([
    ['a page of something else', 404, ''],
    ['an answer without a schema', 200, '{}'],
    ['an answer that is no JSON', 200, '<html>'],
    ['an error of its store', 500, JSON.stringify({ error_code: 50001, message: 'store' })],
  ])('%s is not taken for the word of a registry', async (_, status, body) => {
    const { url } = await answering(status, body)
    const state = stateOf()
    const registry = open({ url, onState: state.onState })
    const fetching = registry.fetch(1)
    expect(await state.waiting).toContain(url)
    registry.close()
    await expect(fetching).rejects.toMatchObject({ code: 'registry-unreachable' })
  })
})

describe('a registry that refuses', () => {
  test('an incompatible schema: schema-incompatible, with the subject', async () => {
    const subject = uniqueName('subject')
    const registry = open()
    await registry.register(subject, record('R', a))
    await fetch(`${inject('registry')}/config/${subject}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
      body: JSON.stringify({ compatibility: 'BACKWARD' }),
    })
    const incompatible = registry.register(subject, record('R', { name: 'a', type: 'string' }))
    await expect(incompatible).rejects.toMatchObject({
      code: 'schema-incompatible',
      detail: expect.stringContaining(`, ${subject}: `),
    })
  })

  test('the credentials: credentials-refused', async () => {
    const { url } = await answering(401, '')
    const registry = open({ url, auth: { username: 'u', password: 'secret' } })
    const failure = await registry.fetch(1).catch((error: Error) => error)
    expect(failure).toMatchObject({ code: 'credentials-refused' })
    expect(String(failure)).not.toContain('secret')
  })

  test('nothing of whoever has them', async () => {
    const { url, asked } = await answering(200, JSON.stringify({ schema: '"int"' }))
    expect(await open({ url, auth: { username: 'u', password: 'p:w' } }).fetch(1)).toBe('int')
    expect(asked).toEqual([`GET /schemas/ids/1 Basic ${Buffer.from('u:p:w').toString('base64')}`])
  })

  test('the right to do it: registry-refused', async () => {
    const { url } = await answering(403, JSON.stringify({ error_code: 40301, message: 'not yours' }))
    await expect(open({ url }).register('s', 'int')).rejects.toMatchObject({
      code: 'registry-refused',
      detail: expect.stringContaining('not yours'),
    })
  })
})
