/** The examples run as their readers run them: programs of their own, which know Millrace by its public name. */
import { createClient } from 'millrace'
import { expect, inject, onTestFinished, test } from 'vitest'
import { startMillrace, startProgram } from '../fixtures/cli.js'
import { follow } from '../fixtures/follow.js'
import { testBrokers, uniqueName } from '../fixtures/kafka.js'

const clientOf = (deployment: string) => {
  const client = createClient({ deployment, brokers: testBrokers(), registry: inject('registry') })
  onTestFinished(() => client.close())
  return client
}

const example = (name: string, deployment: string) =>
  startProgram(`dist/test/examples/${name}.js`, [], { environment: { MILLRACE_DEPLOYMENT: deployment } })

test('1: a pipe of its own scores with a stage of its own, until Ctrl-C', async () => {
  const deployment = uniqueName('own-pipe')
  const client = clientOf(deployment)
  await client.createTopics({ partitions: 2 })
  const running = example('1-own-pipe', deployment)
  await running.printed(/digits@1 scores/)
  const { digits, digitSchema } = await import('../fixtures/digits.js')
  await client.produce([...digits.slice(0, 200), { id: 'no scan', pixels: [], label: null }], { schema: digitSchema })
  const labels: string[] = []
  for await (const { label, scores } of client.predictions({ from: 'beginning' })) {
    labels.push(label!)
    expect(label === 'not sure').toBe(Math.max(...scores) < 0.7)
    if (labels.length === 200) break
  }
  expect(labels).toContain('not sure')
  await follow(`${deployment}.dead-letter`, ({ value }) => value).until((all) => all.length === 1)
  const { code, stderr } = await running.interrupt()
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect((await client.status()).lag).toBe(0)
})

test('2: a worker inside a program, and a switch while records flow', async () => {
  const { code, stdout, stderr } = await example('2-embedded-worker', uniqueName('embedded')).finished
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  for (const line of [/^joined /m, /^activated digits@1/m, /^prepared digits@2/m, /^generation 2 scores$/m])
    expect(stdout).toMatch(line)
  expect(stdout).toContain("{ 'digits@1': 200, 'digits@2': 200 }")
})

test('3: a client that sends features and reads predictions', async () => {
  const deployment = uniqueName('client')
  await clientOf(deployment).createTopics({ partitions: 3 })
  startMillrace(['run', '--deployment', deployment, '--model', 'digits@3', '--no-http'])
  const { code, stdout, stderr } = await example('3-client', deployment).finished
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toContain(`719 scans are in ${deployment}.input`)
  expect(stdout).toContain('digits@3 in generation 1, 1 worker, ')
  expect(stdout).toMatch(/^record-invalid: .*pixels/m)
})
