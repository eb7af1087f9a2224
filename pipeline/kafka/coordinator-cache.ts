/**
 * A transactional producer of kafkajs asks who coordinates before each of its requests: half of all the requests of a small transaction. Here
 * its cluster remembers, for as long as it lives: whoever uses it throws it away with the producer when a request fails.
 */
import type { Broker, Cluster } from 'kafkajs'
import { patchOnce } from './internals.js'

interface Wanted {
  readonly groupId: string
  /** 0, the default: of a consumer group; 1: of a transactional id */
  readonly coordinatorType?: number
}

interface InnerCluster extends Cluster {
  findGroupCoordinator(wanted: Wanted): Promise<Broker>
}

const transaction = 1

/** by cluster of a transactional producer */
const coordinators = new WeakMap<InnerCluster, Map<string, Broker>>()

/** Idempotent; does nothing on a release of kafkajs that is not known. */
export const installCoordinatorCache = patchOnce<{ prototype: InnerCluster }>('cluster', ({ prototype: cluster }) => {
  const { findGroupCoordinator } = cluster
  cluster.findGroupCoordinator = async function (wanted) {
    if (wanted.coordinatorType === transaction && !coordinators.has(this)) coordinators.set(this, new Map())
    const known = coordinators.get(this)
    const key = `${wanted.coordinatorType ?? 0}/${wanted.groupId}`
    const remembered = known?.get(key)
    if (remembered?.isConnected()) return remembered
    const found = await findGroupCoordinator.call(this, wanted)
    known?.set(key, found)
    return found
  }
})
