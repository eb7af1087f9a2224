/** What a command of the control log has done in this worker. */
import type { ModelCommand } from '../messages.js'
import type { GenerationPlan, Outcome, Prepared } from './control-fold.js'
import type { LiveGeneration } from './live-generation.js'
import type { Succession } from './succession.js'
import type { SwapEvent } from './swap-status.js'

export interface Executor {
  /** Does what the fold has made of a command. */
  carryOut(outcome: Outcome, command: ModelCommand): void
  /** Gets a bundle ready, in the place of whatever was prepared before. */
  prepare(prepared: Prepared): void
  /** Gives up what is prepared. */
  close(): void
}

export function createExecutor(succession: Succession, onEvent: (event: SwapEvent) => void): Executor {
  let prepared: { readonly command: string; readonly live: LiveGeneration } | undefined

  /** What names no digest and is loaded means the very bundle that is: the one that was active before, for a rollback. */
  const asLoaded = ({ plan, action }: Extract<Outcome, { kind: 'generation' }>): GenerationPlan => {
    const { active, previous } = succession
    const now = active?.generation
    const same = action === 'ROLLBACK' && previous?.ref === plan.model ? previous : undefined
    // A canary, a shadow and their end go on with the bundle that is active, whatever its name means on disk by now.
    const stable = plan.mode !== 'ALL' || action === 'ABORT' || active?.plan.mode !== 'ALL' ? now : undefined
    const digest = plan.digest ?? same?.digest ?? (stable?.model === plan.model ? stable.digest : null)
    return { ...plan, digest }
  }

  const prepare = ({ command, model, digest }: Prepared) => {
    prepared?.live.retire()
    prepared = { command, live: succession.generations.open({ model, digest, settled: false }, command, null) }
  }

  return {
    prepare,
    carryOut(outcome, command) {
      const about = { command: command.id, model: command.model, digest: command.digest }
      switch (outcome.kind) {
        case 'generation': {
          const ready = prepared?.live
          if (ready && outcome.action === 'COMMIT') prepared = undefined
          if (outcome.action === 'ROLLBACK') onEvent({ ...about, type: 'rolled-back', model: outcome.plan.model })
          return void succession.pursue(asLoaded(outcome), outcome.action === 'COMMIT' ? ready : undefined)
        }
        case 'prepare':
          return prepare(outcome.prepared)
        case 'abort':
          onEvent({ type: 'aborted', command: outcome.prepared.command, model: outcome.prepared.model })
          prepared?.live.retire()
          prepared = undefined
          return
        case 'unload': {
          const { previous } = succession
          if (previous?.ref === outcome.model && (!outcome.digest || outcome.digest === previous.digest))
            return succession.dropPrevious()
          return onEvent({ ...about, type: 'ignored', reason: `${outcome.model} is not kept loaded here` })
        }
        case 'ignored':
          return onEvent({ ...about, type: 'ignored', reason: outcome.reason })
        case 'refused':
          return onEvent({ ...about, type: 'failed', code: outcome.code, reason: outcome.reason })
      }
    },
    close: () => prepared?.live.retire(),
  }
}
