/**
 * What the control log says, as a pure function of it: every worker that has read as far says the same. Numbers of generations are given
 * here, by position in the log, so that no worker needs another one to know them; a switch that turns out not to be possible leaves a gap.
 */
import type { ErrorCode } from '../../stages/errors.js'
import type { Fence, ModelCommand } from '../messages.js'

/** What a generation is to score with, as the log says it. */
export interface GenerationPlan {
  readonly number: number
  readonly mode: Fence['mode']
  /** name@version; in a canary or a shadow the one that was active before */
  readonly model: string
  /** null: whatever bundle the worker has under that name */
  readonly digest: string | null
  readonly candidate: string | null
  readonly candidateDigest: string | null
  readonly percent: number | null
  /** id of the command that began it; null for the one of the configuration */
  readonly command: string | null
  /** every worker of the group had it ready when it was committed: one that cannot load it waits instead of going on with another */
  readonly agreed: boolean
}

export interface Prepared {
  readonly command: string
  readonly model: string
  readonly digest: string | null
  /** timestamp of the record in the log, milliseconds */
  readonly at: number
}

export interface ControlEntry {
  readonly offset: number
  /** of the record in the log, milliseconds */
  readonly timestamp: number
  readonly command: ModelCommand
}

export type Outcome =
  | { readonly kind: 'generation'; readonly plan: GenerationPlan; readonly action: ModelCommand['action'] }
  | { readonly kind: 'prepare'; readonly prepared: Prepared }
  | { readonly kind: 'abort'; readonly prepared: Prepared }
  | { readonly kind: 'unload'; readonly model: string; readonly digest: string | null }
  | { readonly kind: 'ignored'; readonly reason: string }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly reason: string }

export interface ControlFold {
  apply(entry: ControlEntry): Outcome
  /** newest last; at most the last `historyLength` */
  readonly plans: readonly GenerationPlan[]
  readonly current: GenerationPlan | undefined
  readonly prepared: Prepared | undefined
}

/** A PREPARE whose client has died blocks others no longer than this. */
export const preparedExpiresMs = 120_000
const historyLength = 64
/** Ids are remembered for this many commands: a repeat comes soon or never. */
const rememberedIds = 100_000
/** So are issuers: every start of a worker that takes commands over REST is one. */
const rememberedIssuers = 10_000

/** The id of the rollback that the guardrails of every worker ask for: one, however many notice. */
export const guardrailId = (deployment: string, generation: number): string => `guardrail-${deployment}-${generation}`

/** The generation that a rollback of the guardrails is about. */
export const guardedGeneration = (id: string | null): number | undefined => {
  const [, generation] = /^guardrail-.+-(\d+)$/.exec(id ?? '') ?? []
  return generation === undefined ? undefined : Number(generation)
}

/** `initial`: what scores until the first command, generation 1; without it the first command makes generation 2 all the same. */
export function createControlFold(initial: string | undefined): ControlFold {
  const plans: GenerationPlan[] = []
  const ids = new Set<string>()
  const sequences = new Map<string, number>()
  let prepared: Prepared | undefined
  let number = 1
  if (initial !== undefined) plans.push(whole(1, initial, null, null))

  const current = () => plans[plans.length - 1]
  const refused = (code: ErrorCode, reason: string): Outcome => ({ kind: 'refused', code, reason })
  /** What another worker may carry out, whose configuration names a model: the number is used up here too. */
  const refusedWithGap = (code: ErrorCode, reason: string): Outcome => {
    number++
    return refused(code, reason)
  }
  const begin = (action: ModelCommand['action'], make: (number: number) => GenerationPlan): Outcome => {
    const plan = make(++number)
    plans.push(plan)
    if (plans.length > historyLength) plans.shift()
    return { kind: 'generation', plan, action }
  }
  const named = (command: ModelCommand): string | undefined =>
    command.model !== null && /^[^@\s]+@[^@\s]+$/.test(command.model) ? command.model : undefined

  const carryOut = (command: ModelCommand, timestamp: number): Outcome => {
    const { id, action, digest } = command
    const model = named(command)
    switch (action) {
      case 'SWITCH':
        if (!model) return refused('command-invalid', 'SWITCH needs a model, name@version')
        return begin(action, (n) => whole(n, model, digest, id))
      case 'PREPARE':
        if (!model) return refused('command-invalid', 'PREPARE needs a model, name@version')
        if (prepared && timestamp - prepared.at < preparedExpiresMs)
          return refused('switch-pending', `${prepared.model} (command ${prepared.command})`)
        prepared = { command: id, model, digest, at: timestamp }
        return { kind: 'prepare', prepared }
      case 'COMMIT': {
        const held = prepared
        if (!held || (model && model !== held.model) || (digest && held.digest && digest !== held.digest))
          return refused('nothing-prepared', model ?? 'COMMIT')
        prepared = undefined
        return begin(action, (n) => ({ ...whole(n, held.model, digest ?? held.digest, id), agreed: true }))
      }
      case 'ABORT': {
        const held = prepared
        if (held && (!model || model === held.model)) {
          prepared = undefined
          return { kind: 'abort', prepared: held }
        }
        const now = current()
        if (!now || now.mode === 'ALL') return refusedWithGap('nothing-prepared', model ?? 'ABORT')
        return begin(action, (n) => whole(n, now.model, now.digest, id))
      }
      case 'ROLLBACK': {
        const now = current()
        if (model) return begin(action, (n) => whole(n, model, digest, id))
        if (now && now.mode !== 'ALL') return begin(action, (n) => whole(n, now.model, now.digest, id))
        const before = plans.findLast((plan) => now && (plan.model !== now.model || plan.digest !== now.digest))
        if (!before) return refusedWithGap('nothing-to-roll-back', 'the deployment has had one model only')
        return begin(action, (n) => whole(n, before.model, before.digest, id))
      }
      case 'CANARY':
      case 'SHADOW': {
        const now = current()
        if (!model) return refused('command-invalid', `${action} needs a model, name@version`)
        if (!now) return refusedWithGap('command-invalid', `${action} needs an active model; SWITCH to one first`)
        const percent = action === 'CANARY' ? command.percent : null
        if (action === 'CANARY' && !(percent !== null && percent >= 1 && percent <= 99))
          return refused('command-invalid', `CANARY needs a percent from 1 to 99, not ${command.percent}`)
        const mode = action
        return begin(action, (n) => ({
          ...whole(n, now.model, now.digest, id),
          mode,
          candidate: model,
          candidateDigest: digest,
          percent,
        }))
      }
      case 'UNLOAD':
        if (!model) return refused('command-invalid', 'UNLOAD needs a model, name@version')
        return { kind: 'unload', model, digest }
    }
  }

  const ignoredBecause = ({ id, issuer, sequence }: ModelCommand): string | undefined => {
    if (ids.has(id)) return `command ${id} was carried out before`
    const guarded = guardedGeneration(id)
    if (guarded !== undefined && guarded !== current()?.number) return `generation ${guarded} is over already`
    const last = sequences.get(issuer)
    // 0 is what a command without a sequence has: JSON typed by a person.
    if (sequence > 0 && last !== undefined && sequence <= last)
      return `sequence ${sequence} of ${issuer} is not above ${last}`
    ids.add(id)
    if (ids.size > rememberedIds) ids.delete(ids.values().next().value as string)
    if (sequence > 0) {
      // Set anew, so that who was silent longest goes first.
      sequences.delete(issuer)
      sequences.set(issuer, sequence)
      if (sequences.size > rememberedIssuers) sequences.delete(sequences.keys().next().value as string)
    }
    return undefined
  }

  return {
    apply({ offset, timestamp, command: said }) {
      // Typed by a person: its place in the log is as good a name.
      const command = said.id === '' ? { ...said, id: `offset-${offset}` } : said
      const reason = ignoredBecause(command)
      return reason === undefined ? carryOut(command, timestamp) : { kind: 'ignored', reason }
    },
    plans,
    get current() {
      return current()
    },
    get prepared() {
      return prepared
    },
  }
}

const whole = (number: number, model: string, digest: string | null, command: string | null): GenerationPlan => ({
  number,
  mode: 'ALL',
  model,
  digest,
  candidate: null,
  candidateDigest: null,
  percent: null,
  command,
  agreed: false,
})
