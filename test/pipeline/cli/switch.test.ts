import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, inject, test } from 'vitest'
import { createMessageCodec } from '../../../pipeline/avro/message-codec.js'
import { createRegistry } from '../../../pipeline/avro/registry.js'
import { verifyCommand } from '../../../pipeline/model/command-signature.js'
import { millrace, millraceJson } from '../../fixtures/cli.js'
import { createTopic, readTopic, uniqueName } from '../../fixtures/kafka.js'
import { temporaryDirectory } from '../../fixtures/stack-programs.js'

const deploymentWithControl = async (): Promise<string> => {
  const deployment = uniqueName('cli-switch')
  for (const topic of ['control', 'events', 'fences']) await createTopic(`${deployment}.${topic}`, 1)
  return deployment
}

const commandsOf = async (deployment: string, count: number) => {
  const registry = createRegistry({ url: inject('registry') })
  const codec = createMessageCodec(registry)
  try {
    const records = await readTopic(`${deployment}.control`, 0, count)
    return await Promise.all(records.map(({ value }) => codec.decodeCommand(value!)))
  } finally {
    registry.close()
  }
}

test('switch and rollback are commands on the control topic, each with an id and a sequence of its own', async () => {
  const deployment = await deploymentWithControl()
  const sent = await millraceJson<{ command: { id: string }; offset: number }>([
    'switch',
    'digits@2',
    '--deployment',
    deployment,
  ])
  const { code, stdout } = await millrace(['rollback', '--deployment', deployment])
  expect([code, stdout]).toEqual([
    0,
    expect.stringMatching(/^ROLLBACK to the model before sent to .*command [0-9a-f-]{36}\)\n$/),
  ])
  const [first, second] = await commandsOf(deployment, 2)
  expect(first).toMatchObject({ id: sent.command.id, action: 'SWITCH', model: 'digits@2', signature: null })
  expect(second).toMatchObject({ action: 'ROLLBACK', model: null })
  expect(second!.sequence).toBeGreaterThan(first!.sequence)
})

test('a command is signed for its deployment', async () => {
  const directory = await temporaryDirectory()
  const deployment = await deploymentWithControl()
  await millraceJson(['bundle', 'keygen', 'ops'], { directory })
  await millraceJson(['switch', 'digits@2', '--deployment', deployment, '--key', 'ops.key'], { directory })
  const [command] = await commandsOf(deployment, 1)
  const keys = [{ name: 'ops', publicKeyPem: await readFile(join(directory, 'ops.pub'), 'utf8') }]
  expect(verifyCommand(command!, deployment, keys)).toBe('ops')
})

test('what cannot be sent is said: no such topic, no name of a model', async () => {
  const missing = await millrace(['switch', 'digits@2', '--deployment', uniqueName('nowhere')])
  expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining('Create it: `millrace topics create`')])
  const nameless = await millrace(['switch', 'digits', '--deployment', 'd'])
  expect([nameless.code, nameless.stderr]).toEqual([2, expect.stringContaining('digits is not name@version')])
})

test('a registry that does not answer is an error within seconds', async () => {
  const environment = { MILLRACE_REGISTRY: 'http://127.0.0.1:1' }
  const { code, stderr } = await millrace(['switch', 'digits@2', '--deployment', 'd'], { environment })
  expect(code).toBe(1)
  const [said, ...more] = stderr.split('Check the address')
  expect(said).toMatch(/^millrace: the schema registry cannot be reached: http:\/\/127\.0\.0\.1:1.*ECONNREFUSED/)
  // What to do about it is said once.
  expect(more).toHaveLength(1)
})
