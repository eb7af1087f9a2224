/** The generations that are loaded in this worker or about to be, with the models that they share; what becomes of each is told. */
import type { ModelLoader } from '../../stages/ports.js'
import { type LiveGeneration, openGeneration, type Wanted } from './live-generation.js'
import { createModelPool, type ModelPool } from './model-pool.js'
import { describe, type SwapEvent } from './swap-status.js'
import { namesOf } from './wanted.js'

export interface GenerationsOptions {
  readonly loader: ModelLoader
  readonly onEvent: (event: SwapEvent) => void
  readonly onChange: () => void
}

export interface Generations extends Pick<ModelPool, 'hold' | 'idle'> {
  readonly all: ReadonlySet<LiveGeneration>
  /** digests and names of what is loaded, or about to be */
  readonly names: readonly string[]
  /** Begins to load one. `number` is what it would have. */
  open(wanted: Wanted, command: string | null, number: number | null): LiveGeneration
  /** The worker ends: what is called off now has not failed. */
  retireAll(): void
}

export function createGenerations({ loader, onEvent, onChange }: GenerationsOptions): Generations {
  const pool = createModelPool(loader)
  const all = new Set<LiveGeneration>()
  let ending = false
  return {
    all,
    hold: pool.hold,
    idle: pool.idle,
    get names() {
      const wanted = [...all].flatMap(({ wanted: { candidate, ...one } }) => (candidate ? [one, candidate] : [one]))
      return [...pool.loaded, ...wanted.flatMap(namesOf)]
    },
    open: (wanted, command, number) =>
      openGeneration(wanted, {
        pool,
        onState: (one, state, error) => {
          if (state === 'released' || state === 'failed') all.delete(one)
          else all.add(one)
          if (ending && state === 'failed') return
          onEvent({
            type: state === 'ready' ? 'prepared' : state === 'active' ? 'activated' : state,
            command,
            model: wanted.model,
            digest: one.generation?.digest ?? one.digest ?? wanted.digest,
            generation: one.generation?.number ?? number,
            code: error?.code ?? null,
            reason: error?.message ?? describe(one),
          })
          onChange()
        },
      }),
    retireAll() {
      ending = true
      for (const one of all) one.retire()
    },
  }
}
