/** A worker behind the port that the REST interface has for it. */
import { MillraceError } from '../stages/errors.js'
import type { ControlSender } from './control-sender.js'
import type { FlowHistory } from './flow-history.js'
import type { GroupView } from './group-view.js'
import type { GroupWatch } from './group-watch.js'
import type { ServedWorker } from './http/ports.js'
import type { LiveConfig } from './live-config.js'
import type { Metrics } from './metrics.js'
import { type TrustedKey, verifySignature } from './model/signature.js'
import { openStore } from './model/store.js'
import { verifyBundle } from './model/verifier.js'
import type { Samples } from './samples.js'
import { settingViews } from './setting-views.js'
import type { Worker } from './start.js'
import { statusView } from './status-view.js'

export interface ServedParts {
  readonly worker: Worker
  readonly live: LiveConfig
  readonly metrics: Metrics
  readonly samples: Samples
  readonly letters: ServedWorker['letters']
  readonly late: ServedWorker['late']
  readonly flow: FlowHistory
  readonly group: GroupView
  readonly watch: GroupWatch
  readonly control: ControlSender
  /** whose bundles are taken; everybody's where there are none */
  readonly trustedKeys: readonly TrustedKey[]
  /** Sends the archive in the file to every worker of the deployment. */
  readonly push: (path: string) => Promise<unknown>
}

/** How long a page may wait for the broker. */
const patienceMs = 1_500

export const served = ({
  worker,
  live,
  metrics,
  samples,
  letters,
  late,
  flow,
  group,
  watch,
  control,
  trustedKeys,
  push,
}: ServedParts): ServedWorker => {
  const { directory, mutable, maxStoreBytes } = live.current.bundles
  const store = openStore(directory, {
    mutable,
    maxStoreBytes,
    accept: (bundle) => void verifySignature(bundle, trustedKeys),
  })
  let verifying = false
  /** by digest, the state of what is loaded here */
  const loaded = (): Map<string, string> => {
    const { generations, beside, previous } = worker.status.model
    const states = new Map<string, string>(previous ? [[previous.digest, 'previous']] : [])
    if (beside) states.set(beside.digest, beside.mode.toLowerCase())
    for (const { digest, state } of generations.toReversed()) if (digest !== null) states.set(digest, state)
    return states
  }
  return {
    metrics,
    samples,
    letters,
    late,
    flow,
    events: { latest: group.events, next: group.next },
    ready() {
      const { ready, parts } = worker.status
      return {
        ready,
        waiting: parts
          .filter(({ state }) => state !== 'running')
          .map(({ part, state, detail }) => `${part} ${state}: ${detail}`),
      }
    },
    status: async () => statusView(worker.status, await watch.statusWithin(patienceMs), group),
    config: {
      settings: () => settingViews(live),
      change: (settings) => ({ changed: [...live.change(settings)] }),
    },
    models: {
      mutable,
      async list() {
        const [all, pinned, states] = [await store.list(), await store.pinned(), loaded()]
        return all.map(({ ref, digest, bytes, signed, problem }) => ({
          ref,
          digest,
          bytes,
          signed,
          pinned: pinned.has(digest),
          state: states.get(digest) ?? null,
          problem: problem ?? null,
        }))
      },
      async put(path) {
        const { ref, digest, stored } = await store.put(path)
        if (stored) worker.say({ type: 'stored', model: ref, digest, reason: 'it was uploaded over REST' })
        // Also what was here already: others may lack it.
        await push(path)
        return { ref, digest, stored }
      },
      async verify(ref) {
        if (verifying) throw new MillraceError('too-busy', 'another bundle is being tried')
        verifying = true
        try {
          const report = await verifyBundle((await store.find(ref)).path, { trustedKeys })
          const gates = report.gates.map(({ code = null, measured = {}, ...gate }) => ({ ...gate, code, measured }))
          return { ok: report.ok, ref: report.ref ?? null, digest: report.digest ?? null, gates }
        } finally {
          verifying = false
        }
      },
      async remove(ref) {
        const { ref: model, digest } = await store.remove(ref, loaded().keys())
        worker.say({ type: 'removed', model, digest, reason: 'it was deleted over REST' })
        return { ref: model, digest }
      },
    },
    send: control.send,
  }
}
