/** The bundles that a worker has on its disk: what comes over Kafka goes in, what nothing uses goes out. */
import { mkdir } from 'node:fs/promises'
import { pause } from './backoff.js'
import type { EventLog } from './event-log.js'
import { type TrustedKey, verifySignature } from './model/signature.js'
import { type BundleStore, openStore } from './model/store.js'
import { verifiedMarks } from './model/verified-marks.js'
import { followPushes, withPushed } from './pushed-bundles.js'
import { trustedKeysOf } from './trusted-keys.js'
import type { WorkerClients } from './worker-clients.js'
import type { WorkerScope } from './worker-scope.js'

export interface WorkerStore {
  readonly store: BundleStore
  /** with patience for what is on its way */
  readonly loadable: Pick<BundleStore, 'find' | 'load'>
  readonly trustedKeys: readonly TrustedKey[]
}

/** Takes in nothing that no trusted key signed, where there are any. Throws as `trustedKeysOf` does. */
export async function openWorkerStore(
  { config, onState, ending, onClose }: WorkerScope,
  { kafka }: WorkerClients,
  events: EventLog,
): Promise<WorkerStore> {
  const { directory, mutable, maxStoreBytes } = config.bundles
  const trustedKeys = await trustedKeysOf(config.bundles)
  const store = openStore(directory, {
    mutable,
    maxStoreBytes,
    accept: (bundle) => void verifySignature(bundle, trustedKeys),
  })
  // Whatever is wrong with the folder, the first who needs it says so.
  if (mutable) await mkdir(directory, { recursive: true }).catch(() => undefined)
  const pushed = followPushes({
    kafka,
    topic: config.topics.models,
    store,
    directory,
    mutable,
    signedOnly: trustedKeys.length > 0,
    maxStoreBytes,
    onEvent: events.emit,
    onState: onState('models'),
    signal: ending,
  })
  onClose(() => pushed.close())
  return { store, loadable: withPushed(store, pushed), trustedKeys }
}

const collectEveryMs = 3_600_000

/** Now and then removes archives that were put here and that nothing on this machine has used for a while. */
export function collectUnused(
  { config, log, ending }: WorkerScope,
  { store }: WorkerStore,
  events: EventLog,
  inUse: () => ReadonlySet<string>,
): void {
  const { directory, mutable, collectAfterMs } = config.bundles
  if (!mutable) return
  const marks = verifiedMarks(directory)
  const collect = async () => {
    const names = inUse()
    const used = (await store.list()).filter(({ ref, digest }) => names.has(digest) || names.has(ref))
    // Other workers may share the folder: that it is in use here is to be seen there.
    for (const { digest, byHand } of used) if (!byHand && (await marks.of(digest))) await marks.add(digest)
    const keep = used.map(({ digest }) => digest)
    for (const { ref, digest } of await store.collect({ keep, graceMs: collectAfterMs }))
      events.emit({ type: 'removed', model: ref, digest, reason: 'nothing has used it for a while' })
  }
  void (async () => {
    // Not among everything that a start has to do, and before the first bundle can have become old.
    for (await pause(Math.min(collectEveryMs, collectAfterMs), ending); !ending.aborted; ) {
      await collect().catch((error) => log.warn({ err: error }, 'the bundle store cannot be cleaned up'))
      await pause(Math.min(collectEveryMs, Math.max(1_000, collectAfterMs)), ending)
    }
  })()
}
