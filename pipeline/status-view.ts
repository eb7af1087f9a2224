/** A worker and its group as the REST interface shows them. */
import type { GroupView } from './group-view.js'
import type { WatchedGroup } from './group-watch.js'
import type { Status } from './rest-views.js'
import type { WorkerStatus } from './start.js'

/** Workers that are in no group and have said nothing for so long are not shown any more. */
const forgottenAfterMs = 10 * 60_000

export const statusView = (own: WorkerStatus, group: WatchedGroup | undefined, view: GroupView): Status => {
  const { active, beside, previous, generations, waiting } = own.model
  const { deadline } = own
  const { lastLatencyMs, rejected, closedBy, stages, transactions, ...pipe } = own.pipe
  return {
    ...own,
    parts: [...own.parts],
    budgets: [...own.budgets],
    stageCosts: own.stageCosts.map(({ stages, ...one }) => ({
      ...one,
      stages: stages.map(({ stage, table }) => ({ stage, table: [...table] })),
    })),
    model: {
      active: active ?? null,
      beside: beside ?? null,
      previous: previous ?? null,
      generations: [...generations],
      waiting: waiting ?? null,
    },
    pipe: {
      ...pipe,
      rejected: { ...rejected },
      closedBy: { ...closedBy },
      transactions: { ...transactions },
      lastLatencyMs: lastLatencyMs ?? null,
      stages: [...stages],
    },
    deadline: deadline ? { ...deadline, missed: { ...deadline.missed }, slack: [...deadline.slack] } : null,
    fallback: own.fallback ?? null,
    shadow: own.shadow ?? null,
    group: {
      state: group?.state ?? null,
      rates: group?.rates ? { arriving: group.rates.arriving, done: group.rates.done } : null,
      workers: groupWorkers(group, view),
      partitions: (group?.partitions ?? []).map(({ partition, committed, end, lag }) => ({
        partition,
        committed,
        end,
        lag,
        done: group?.rates?.doneOf.get(partition) ?? null,
      })),
      command: view.command ? { ...view.command, workers: { ...view.command.workers } } : null,
    },
  }
}

/** Members by what the broker says, with what they have told of themselves; a member's client id is the id of the worker. */
const groupWorkers = (group: WatchedGroup | undefined, { workers }: GroupView): Status['group']['workers'] => {
  const members = new Map(group?.members.map(({ clientId, partitions }) => [clientId, partitions]))
  const since = Date.now() - forgottenAfterMs
  const told = new Map(workers.map((one) => [one.worker, one]))
  const names = new Set([
    ...members.keys(),
    ...workers
      .filter(({ joined, seenAt }) => joined && (group === undefined || seenAt > since))
      .map(({ worker }) => worker),
  ])
  return [...names].sort().map((worker) => ({
    worker,
    present: group ? members.has(worker) : (told.get(worker)?.joined ?? false),
    partitions: [...(members.get(worker) ?? [])],
    seenAt: told.get(worker)?.seenAt ?? null,
    models: [...(told.get(worker)?.models ?? [])],
  }))
}
