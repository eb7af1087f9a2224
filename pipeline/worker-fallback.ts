/** The fallback of a deadline as a worker loads it: put through the gates of the deployment, in a thread of its own. */
import { MillraceError } from '../stages/errors.js'
import type { LoadedModel } from '../stages/ports.js'
import { costSizes } from './deadline-costs.js'
import { createModelLoader } from './model/loader.js'
import { verifyAlone } from './verification.js'
import type { WorkerClients } from './worker-clients.js'
import type { WorkerScope } from './worker-scope.js'
import type { WorkerStore } from './worker-store.js'

/** Resolves when it is loaded and warm; undefined where none is named. Rejects with why it cannot be used. `onThreadDeath` as in `openSwap`. */
export async function openFallback(
  { config, log, ending, onClose }: WorkerScope,
  { kafka, registry }: WorkerClients,
  { store, loadable, trustedKeys }: WorkerStore,
  onThreadDeath: () => void,
): Promise<LoadedModel | undefined> {
  const ref = config.deadline?.fallback
  if (ref === undefined) return undefined
  const verification = { config, kafka, registry, trustedKeys, store, signal: ending }
  const loader = createModelLoader({
    store: loadable,
    trustedKeys,
    ...(config.verification.inChild && { verify: (path) => verifyAlone(path, verification) }),
    measure: { batchSizes: costSizes(config), measureMs: 50 },
    scorer: {
      ...config.inference,
      onDeath: (model, reason) => {
        onThreadDeath()
        log.error({ model, reason }, 'the inference thread of the fallback died and is started again')
      },
    },
  })
  const model = await loader.load(ref).catch((error) => {
    throw error instanceof MillraceError ? new MillraceError(error.code, `deadline.fallback: ${error.detail}`) : error
  })
  onClose(() => model.scorer.close())
  return model
}
