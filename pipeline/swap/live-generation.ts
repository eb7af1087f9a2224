/** One generation in this worker: its state, its leases, and the model it scores with. */
import { MillraceError } from '../../stages/errors.js'
import type { Generation } from '../../stages/ports.js'
import { become, type GenerationState, mayBecome } from './generation-states.js'
import type { ModelPool, PooledModel } from './model-pool.js'

export interface Wanted {
  /** name@version */
  readonly model: string
  readonly digest: string | null
  /** others score with it, or have agreed to */
  readonly settled: boolean
  /** the second model of a canary or a shadow */
  readonly candidate?: {
    readonly mode: 'CANARY' | 'SHADOW'
    readonly model: string
    readonly digest: string | null
    readonly percent: number | null
  }
}

export interface LiveGeneration {
  readonly wanted: Wanted
  readonly state: GenerationState
  /** what it scores with; from `ready` on */
  readonly generation: Generation | undefined
  /** of the bundle that it holds; null before it is loaded */
  readonly digest: string | null
  /** what the verification of what is new in it found; from `ready` on */
  readonly findings: string | undefined
  /** leases that are out */
  readonly leases: number
  /** Resolves when it is `ready`; rejects with why it `failed`. */
  readonly prepared: Promise<void>
  /** `ready` → `active`, under this number. */
  activate(number: number): Generation
  /** It scores nothing new any more: frees the model when the last lease is back, or at once. Before `ready` it is given up. Idempotent. */
  retire(): void
}

export interface LiveGenerationOptions {
  readonly pool: ModelPool
  /** a word for each state, `failed` with why */
  readonly onState: (live: LiveGeneration, state: GenerationState, error?: MillraceError) => void
}

/** Begins to load. A lease that is taken after `retire` keeps the model all the same: it is freed when that one is back. */
export function openGeneration(wanted: Wanted, { pool, onState }: LiveGenerationOptions): LiveGeneration {
  let state: GenerationState = 'loading'
  let model: PooledModel | undefined
  let candidate: PooledModel | undefined
  let generation: Generation | undefined
  let leases = 0
  let retired = false

  const step = (to: GenerationState, error?: MillraceError) => {
    state = become(state, to)
    onState(live, state, error)
  }
  /** Later, when who was just told of it has had the time to take its lease. */
  const free = () => setImmediate(() => freeNow())
  const freeNow = () => {
    if (!retired || leases > 0 || !mayBecome(state, 'released')) return
    step('released')
    release()
  }
  const release = () => {
    model?.release()
    candidate?.release()
    model = candidate = undefined
  }
  const acquire = (one: { readonly model: string; readonly digest: string | null }) =>
    pool.acquire(
      one.model,
      one.digest ?? undefined,
      (stage) => {
        if (stage === 'verifying' && state === 'loading') step('verifying')
      },
      wanted.settled,
    )

  const load = async () => {
    try {
      model = await acquire(wanted)
      if (wanted.candidate) candidate = await acquire(wanted.candidate)
    } catch (error) {
      release()
      const reason =
        error instanceof MillraceError ? error : new MillraceError('internal', String(error), { cause: error })
      step('failed', reason)
      throw reason
    }
    if (state === 'loading') step('verifying')
    step('ready')
    if (retired) free()
  }

  const live: LiveGeneration = {
    wanted,
    get state() {
      return state
    },
    get generation() {
      return generation
    },
    get digest() {
      return model?.digest ?? null
    },
    get findings() {
      return (candidate ?? model)?.findings
    },
    get leases() {
      return leases
    },
    prepared: Promise.resolve().then(load),
    activate(number) {
      // Both models of a canary share the leases: neither goes before the other.
      const scoring = ({ ref, digest, plan, scorer, costs, budgets }: PooledModel): Generation => ({
        number,
        model: ref,
        digest,
        plan,
        scorer,
        ...(costs && { costs }),
        ...(budgets && { budgets }),
        retain: () => void leases++,
        release: () => {
          leases--
          if (retired) free()
        },
      })
      generation = scoring(model as PooledModel)
      if (candidate && wanted.candidate) {
        const { mode, percent } = wanted.candidate
        const second = scoring(candidate)
        generation = {
          ...generation,
          ...(mode === 'CANARY' ? { canary: { generation: second, percent: percent ?? 0 } } : { shadow: second }),
        }
      }
      step('active')
      return generation
    },
    retire() {
      if (retired) return
      retired = true
      if (state === 'active') step('draining')
      free()
    },
  }
  live.prepared.catch(() => undefined)
  onState(live, state)
  return live
}
