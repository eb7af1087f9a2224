/** A faster model that answers what the model of the deployment cannot answer in time. */
import type { BatchCosts } from '../stages/batch-size.js'
import type { Generation, LoadedModel, MicroBatch } from '../stages/ports.js'
import { createDeadlineCosts } from './deadline-costs.js'
import { observers, observing, type PipeObserver } from './pipe-observer.js'

export interface FallbackStatus {
  /** name@version */
  readonly model: string
  readonly digest: string
  /** predictions of its that the broker has acknowledged */
  readonly records: number
}

export interface Fallback {
  /** It under the number of a generation: its predictions say which generation was in force, and by their model and digest who answered. */
  of(generation: Generation): Generation
  costs(generation: Generation): BatchCosts
  /** A batch has left it. */
  done(batch: MicroBatch): void
  readonly observer: PipeObserver
  readonly status: FallbackStatus
}

/** One per worker. Whoever has the model loaded closes its scorer. */
export function createFallback({ ref, digest, plan, scorer, costs: measured, budgets }: LoadedModel): Fallback {
  const costs = createDeadlineCosts()
  const made = new WeakMap<Generation, Generation>()
  let records = 0

  function of(generation: Generation): Generation {
    let one = made.get(generation)
    if (!one) {
      // It stays loaded as long as the worker runs: nobody waits for its leases.
      const nothing = () => undefined
      const { number } = generation
      const leases = { retain: nothing, release: nothing }
      one = { number, model: ref, digest, plan, scorer, costs: measured, budgets, standsInFor: generation, ...leases }
      made.set(generation, one)
    }
    return one
  }

  return {
    of,
    costs: (generation) => costs.of(of(generation)),
    done: costs.done,
    observer: observers([
      costs.observer,
      observing({
        published({ batch, outgoing }) {
          if (!batch.generation.standsInFor) return
          for (const { kind, records: sent } of outgoing) if (kind === 'predictions') records += sent.length
        },
      }),
    ]),
    get status() {
      return { model: ref, digest, records }
    },
  }
}
