/** How the workers of a deployment keep its deadline: what each says over REST, since no topic says how much time was left. */
import type { DeploymentStatus } from '../client/deployment-status.js'
import type { Config } from '../config.js'
import { type DeadlineStats, missRatioOf } from './deadline-text.js'
import { addressesOf, askWorkers, type Unreached } from './stages/ask.js'

export interface KeptDeadline extends DeadlineStats {
  readonly worker: string
  /** of all its records, 0 to 1 */
  readonly missRatio: number
}

export interface KeptDeadlines {
  /** by worker; none where there is no deadline */
  readonly deadlines: readonly KeptDeadline[]
  /** of a deployment that is known to have one: who does not answer */
  readonly unreached: readonly Unreached[]
}

/** Asks those of the group, or those at `urls`. Never rejects. */
export const keptDeadlines = async (
  { workers }: Pick<DeploymentStatus, 'workers'>,
  { http, deadline }: Pick<Config, 'http' | 'deadline'>,
  urls: readonly string[],
  signal: AbortSignal,
): Promise<KeptDeadlines> => {
  const inGroup = workers.flatMap(({ host }) => (host === null ? [] : [{ host }]))
  const asked = urls.length > 0 ? urls : addressesOf(inGroup, http)
  const { looks, unreached } = await askWorkers(asked, signal)
  const members = new Set(workers.map(({ worker }) => worker))
  const deadlines = looks.flatMap(({ worker, deadline: stats }) =>
    // At an address of this machine there may be a worker of another deployment.
    stats && members.has(worker) ? [{ worker, ...stats, missRatio: missRatioOf(stats) }] : [],
  )
  return { deadlines, unreached: deadline ? unreached : [] }
}
