/**
 * Whatever is away when a worker starts is waited for in sight: the probe says it, `millrace status` too as soon as Kafka is there, and what
 * comes back is enough for the worker to go on.
 */
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, inject, onTestFinished, test } from 'vitest'
import { createTopics, withAdmin } from '../../pipeline/kafka/admin.js'
import { planTopics } from '../../pipeline/kafka/topic-plan.js'
import type { Part } from '../../pipeline/part-states.js'
import { millrace, startMillrace } from '../fixtures/cli.js'
import { createDeployment, type Deployment } from '../fixtures/deployment.js'
import { testBrokers, testKafka } from '../fixtures/kafka.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'
import { copyStore } from '../fixtures/store.js'
import { startTcpProxy } from '../fixtures/tcp-proxy.js'

interface Absence {
  readonly environment?: Record<string, string>
  readonly args?: readonly string[]
  /** of the worker that says that it waits, and the pattern of what it says */
  readonly part: Part
  readonly reason: string
  readonly mend: () => unknown
}

const doorTo = async (address: string) => {
  const door = await startTcpProxy(address, { open: false })
  onTestFinished(() => door.close())
  return door
}

const absences: Record<string, (deployment: Deployment) => Promise<Absence>> = {
  broker: async () => {
    const { address, restore } = await doorTo(testBrokers()[0]!)
    return {
      environment: { MILLRACE_BROKERS: address },
      part: 'source',
      reason: 'Kafka cannot be reached: .* Check the address and that the broker is up\\.',
      mend: restore,
    }
  },
  registry: async () => {
    const { host, pathname } = new URL(inject('registry'))
    const { address, restore } = await doorTo(host)
    return {
      environment: { MILLRACE_REGISTRY: `http://${address}${pathname}` },
      part: 'registry',
      reason: 'the schema registry cannot be reached: .* Check the address and that the registry is up\\.',
      mend: restore,
    }
  },
  'control topic': async ({ topics, partitions }) => {
    await withAdmin(testKafka(), async (admin) => {
      await admin.deleteTopics({ topics: [topics.control] })
      while ((await admin.listTopics()).includes(topics.control));
    })
    return {
      part: 'control',
      reason: 'a topic does not exist: .*control.* Create it: `millrace topics create`\\.',
      mend: () => createTopics(testKafka(), planTopics(topics, { partitions })),
    }
  },
  'model store': async () => {
    const store = join(await temporaryDirectory(), 'not-mounted-yet')
    return {
      args: ['--bundles', store, '--set', 'bundles.mutable=false'],
      part: 'model',
      reason: 'generation 1 needs digits@1: the file cannot be read: .*not-mounted-yet.* Check the path\\.',
      mend: async () => rename(await copyStore('digits@1'), store),
    }
  },
}

test.each(Object.keys(absences))('a worker starts without its %s', async (name) => {
  const deployment = await createDeployment({ partitions: 1 })
  const { environment, args = [], part, reason, mend } = await absences[name]!(deployment)
  await deployment.sendDigits(3)
  const settings = { MILLRACE_DEPLOYMENT: deployment.name }
  const worker = startMillrace(['run', '--model', 'digits@1', '--id', 'early', '--port', '0', ...args], {
    environment: { ...settings, ...environment },
  })
  const [, url] = /"url":"([^"]+)"/.exec(await worker.printed(/"the page"/, 'stderr'))!
  const probe = async () => {
    const response = await fetch(`${url}/readyz`)
    return { status: response.status, ...((await response.json()) as { waiting: string[] }) }
  }
  const waits = expect.stringMatching(new RegExp(`^${part} waiting: ${reason}$`))
  await expect.poll(probe).toMatchObject({ status: 503, waiting: expect.arrayContaining([waits]) })
  if (name !== 'broker') {
    await deployment.events.until((all) => all.some(({ type }) => type === 'waiting'))
    const { stdout } = await millrace(['status'], { environment: settings })
    expect(stdout).toMatch(new RegExp(`^early +.* waits: .*${part}: ${reason}`, 'm'))
  }
  await mend()
  await deployment.answered()
  await expect.poll(probe).toEqual({ status: 200, ready: true, waiting: [] })
  expect(deployment.account()).toEqual({ missing: [], repeated: [] })
})
