/** No room for a bundle that is pushed: the workers say so and score on, also with other models, and take it once there is room again. */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createMessageCodec } from '../../pipeline/avro/message-codec.js'
import { createRegistry } from '../../pipeline/avro/registry.js'
import { logEnd } from '../../pipeline/kafka/log.js'
import { readTopic } from '../../pipeline/kafka/topic-reader.js'
import type { ModelEvent } from '../../pipeline/messages.js'
import { writeArchive } from '../../pipeline/model/archive.js'
import { readBundleFiles } from '../../pipeline/model/bundle.js'
import { sealFiles } from '../../pipeline/model/pack.js'
import { pushModel } from '../../pipeline/push-model.js'
import { type Fault, switchTo } from './switch.js'
import type { World } from './world.js'

let pushed = 0

export const diskFull: Fault = async (scene) => {
  const { world } = scene
  const version = `full-${++pushed}`
  const path = join(world.directory, `digits@${version}.tar.gz`)
  await repack(path, version)
  const push = () => pushModel({ kafka: world.kafka, topic: world.topics.models, path })
  const filler = join(world.store, 'filler')

  await fill(filler)
  try {
    await eventAfter(world, push, ({ type, code }) => type === 'failed' && code === 'disk-full')
    await switchTo(scene, scene.random.pick(['digits@1', 'digits@2', 'digits@3']))
  } finally {
    await rm(filler)
  }
  await eventAfter(world, push, ({ type, model }) => type === 'stored' && model === `digits@${version}`)
  await switchTo(scene, `digits@${version}`)
}

/** Until there is no room for another page. */
async function fill(path: string): Promise<void> {
  for (const size of [1 << 20, 1 << 16, 1 << 12]) {
    try {
      for (;;) await writeFile(path, Buffer.alloc(size), { flag: 'a' })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
  }
}

async function repack(path: string, version: string): Promise<void> {
  const files = new Map(await readBundleFiles('models/bundles/digits@2.tar.gz'))
  const manifest = JSON.parse(String(files.get('bundle.json')))
  files.set('bundle.json', Buffer.from(JSON.stringify({ ...manifest, version })))
  await writeArchive(path, sealFiles(path, files).files)
}

const patienceMs = 60_000

/** Does something, and resolves when a worker answers it with such an event: they share the folder, so it is one for all. */
async function eventAfter(
  { kafka, topics, registry: url }: World,
  act: () => Promise<unknown>,
  isMeant: (event: ModelEvent) => boolean,
): Promise<void> {
  const registry = createRegistry({ url })
  const codec = createMessageCodec(registry)
  const from = new Map([[0, await logEnd(kafka, topics.events)]])
  await act()
  const signal = AbortSignal.timeout(patienceMs)
  try {
    for await (const { records } of readTopic(kafka, topics.events, { from, follow: true, maxWaitMs: 50, signal }))
      for (const { value } of records) if (value && isMeant(await codec.decodeEvent(value))) return
    throw new Error(`no worker answered a push within ${patienceMs / 1000} s`)
  } finally {
    registry.close()
  }
}
