/** Back to what the deployment scored with before, named outright: every worker then means the same bundle. */
import { MillraceError } from '../../stages/errors.js'
import type { GenerationPlan } from './control-fold.js'
import { createFenceTable, type FenceTable } from './fence-table.js'
import type { FenceEntry } from './fences.js'
import { type Dialogue, type DialogueOptions, openDialogue } from './group-dialogue.js'
import { activated, type SwitchPhase, type SwitchProgress, type WorkerState, workersOf } from './group-switch.js'

export interface GroupRollbackOptions extends Omit<DialogueOptions, 'onProgress'> {
  /** what is in the fence log */
  readonly fences: readonly FenceEntry[]
  /** how long to wait until every member scores with it; 0: do not wait */
  readonly timeoutMs: number
  readonly onProgress?: (progress: SwitchProgress) => void
}

export interface GroupRollbackResult {
  readonly ok: boolean
  readonly command: string
  /** null: the workers know better than the logs what was before */
  readonly model: string | null
  readonly digest: string | null
  readonly generation: number | null
  readonly workers: readonly WorkerState[]
  readonly reason: string | null
}

export interface Target {
  readonly model: string
  readonly digest: string | null
}

/** The event log has to be read from its beginning for this. Rejects with `nothing-to-roll-back`, or as the broker does. */
export async function rollBackGroup(options: GroupRollbackOptions): Promise<GroupRollbackResult> {
  let phase: SwitchPhase = 'activating'
  let generation: number | null = null
  let dialogue: Dialogue | undefined
  const group = await openDialogue({
    ...options,
    onProgress: () => {
      if (dialogue && options.timeoutMs > 0) options.onProgress?.({ phase, workers: workersOf(dialogue, generation) })
    },
  })
  dialogue = group
  try {
    const table = createFenceTable()
    for (const { key, fence } of options.fences) fence ? table.apply(fence) : table.forget(key)
    const target = previousOf(group, table)
    if (!target && options.timeoutMs > 0)
      throw new MillraceError('nothing-to-roll-back', 'the logs do not say what was scored with before')
    const { id, outcome } = await group.say({
      action: 'ROLLBACK',
      model: target?.model ?? null,
      digest: target?.digest ?? null,
    })
    if (target && outcome?.kind === 'refused') throw new MillraceError(outcome.code, outcome.reason)
    generation = outcome?.kind === 'generation' ? outcome.plan.number : null
    const waits = options.timeoutMs > 0 && generation !== null
    const ok = !waits || (await activated(group, generation!, options.timeoutMs))
    phase = 'done'
    return {
      ok,
      command: id,
      model: target?.model ?? null,
      digest: target?.digest ?? null,
      generation,
      workers: workersOf(group, generation),
      reason: ok ? null : `not every worker has said within ${options.timeoutMs / 1000} s that it scores with it`,
    }
  } finally {
    group.close()
  }
}

/** What is scored with now, by what was really used, and what was before it. Undefined where the logs do not tell. */
export function previousOf(
  { fold, answers }: Pick<Dialogue, 'fold' | 'answers'>,
  fences: FenceTable,
): Target | undefined {
  const plans = withFirst(fold.plans, fences)
  const isUsed = ({ number, agreed }: GenerationPlan) =>
    agreed || fences.ofGeneration(number) !== undefined || answers.digestOf(number) !== undefined
  const target = ({ number, model, digest }: GenerationPlan): Target => ({
    model,
    digest: fences.ofGeneration(number)?.digest ?? answers.digestOf(number) ?? digest,
  })
  const used = plans.filter(isUsed)
  const current = used.at(-1)
  if (!current) return undefined
  // A canary or a shadow ends, and what it stood beside goes on.
  if (current.mode !== 'ALL') return target(current)
  const now = target(current)
  const before = used.map(target).findLast(({ model, digest }) => model !== now.model || digest !== now.digest)
  if (!before) throw new MillraceError('nothing-to-roll-back', `${now.model} is the only one that was scored with`)
  return before
}

/** The generation of the configuration is in no command: its fences tell. */
function withFirst(plans: readonly GenerationPlan[], fences: FenceTable): readonly GenerationPlan[] {
  const fence = fences.ofGeneration(1)
  if (!fence || plans.some(({ number }) => number === 1)) return plans
  const { model, digest, mode, candidate, candidateDigest, percent, command } = fence
  return [{ number: 1, model, digest, mode, candidate, candidateDigest, percent, command, agreed: false }, ...plans]
}
