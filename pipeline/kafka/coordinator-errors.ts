/**
 * kafkajs asks one broker after the other who coordinates a group, and when all of them refuse says that none was found: a right that is
 * missing then looks like a broker that is away. Here the refusal comes out.
 */
import { kafkaErrorType } from './errors.js'
import { patchOnce } from './internals.js'

interface Wanted {
  readonly groupId: string
  readonly coordinatorType?: number
}

interface InnerBroker {
  findGroupCoordinator(wanted: Wanted): Promise<unknown>
}

interface InnerCluster {
  readonly brokerPool: {
    /** undefined where no broker answered */
    withBroker<T>(ask: (one: { readonly broker: InnerBroker }) => Promise<T>): Promise<T | undefined>
  }
  findGroupCoordinatorMetadata(wanted: Wanted): Promise<unknown>
}

/** Idempotent; does nothing on a release of kafkajs that is not known. */
export const installCoordinatorErrors = patchOnce<{ prototype: InnerCluster }>('cluster', ({ prototype: cluster }) => {
  const { findGroupCoordinatorMetadata } = cluster
  cluster.findGroupCoordinatorMetadata = async function (wanted) {
    try {
      return await findGroupCoordinatorMetadata.call(this, wanted)
    } catch (error) {
      const answer = await this.brokerPool.withBroker(({ broker }) =>
        broker.findGroupCoordinator(wanted).catch((refusal) => refusal),
      )
      throw kafkaErrorType(answer)?.endsWith('AUTHORIZATION_FAILED') ? answer : error
    }
  }
})
