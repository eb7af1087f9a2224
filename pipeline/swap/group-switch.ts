/**
 * A switch of the whole group or of nobody: PREPARE, the answer of every member, COMMIT, or ABORT on one failure or when time is up. The
 * workers do not need the client: where it dies in between nothing changes, and its PREPARE stops being in the way of others by itself.
 */
import { type ErrorCode, MillraceError } from '../../stages/errors.js'
import { preparedExpiresMs } from './control-fold.js'
import type { AnswerState } from './group-answers.js'
import { type Dialogue, type DialogueOptions, openDialogue } from './group-dialogue.js'

export type SwitchPhase = 'preparing' | 'aborting' | 'activating' | 'done'

export interface WorkerState {
  readonly id: string
  readonly state: AnswerState
  /** of the error table, where it has failed */
  readonly code: string | null
  readonly reason: string | null
}

export interface SwitchProgress {
  readonly phase: SwitchPhase
  readonly workers: readonly WorkerState[]
}

export interface GroupSwitchOptions extends Omit<DialogueOptions, 'onProgress'> {
  /** name@version */
  readonly model: string
  readonly digest?: string | null
  /** how long every member may take to prepare it */
  readonly timeoutMs: number
  /** how long to wait after COMMIT until every member scores with it; 30,000 by default */
  readonly activationTimeoutMs?: number
  readonly onProgress?: (progress: SwitchProgress) => void
}

export interface GroupSwitchResult {
  /** every worker scores with it */
  readonly ok: boolean
  /** committed: it is decided, but not every worker has said so yet */
  readonly outcome: 'activated' | 'committed' | 'aborted'
  readonly workers: readonly WorkerState[]
  readonly generation: number | null
  readonly digest: string | null
  readonly code: ErrorCode | null
  /** why it is not `ok`, in one line */
  readonly reason: string | null
}

/** Above it, another client may begin while this one waits. */
export const maxSwitchTimeoutMs = preparedExpiresMs - 20_000

type Verdict =
  | { readonly kind: 'ready'; readonly digest: string | null }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly reason: string }
  | { readonly kind: 'overtaken' }

/** Rejects with `no-workers` when nobody is in the group, `switch-pending` when another switch is being prepared, or as the broker does. */
export async function switchGroup(options: GroupSwitchOptions): Promise<GroupSwitchResult> {
  const { model, digest = null, timeoutMs, signal, activationTimeoutMs = 30_000 } = options
  let phase: SwitchPhase = 'preparing'
  let generation: number | null = null
  let dialogue: Dialogue | undefined
  const progress = () => {
    if (dialogue) options.onProgress?.({ phase, workers: workersOf(dialogue, generation) })
  }
  const group = await openDialogue({ ...options, onProgress: progress })
  dialogue = group
  const enter = (next: SwitchPhase) => {
    phase = next
    progress()
  }

  try {
    if (group.members.length === 0) throw new MillraceError('no-workers', model)
    progress()
    const prepare = await group.say({ action: 'PREPARE', model, digest })
    if (prepare.outcome?.kind === 'refused') throw new MillraceError(prepare.outcome.code, prepare.outcome.reason)

    const deadline = Date.now() + Math.min(timeoutMs, maxSwitchTimeoutMs)
    const verdict = await agree(group, prepare.id, deadline)
    if (verdict?.kind !== 'ready') {
      enter('aborting')
      // Somebody else's COMMIT or ABORT has ended it: there is nothing left to abort.
      if (verdict?.kind !== 'overtaken') await group.say({ action: 'ABORT', model, digest: null })
      enter('done')
      return {
        ...(await aborted(group, verdict, timeoutMs, signal)),
        ok: false,
        outcome: 'aborted',
        generation,
        digest,
      }
    }

    const commit = await group.say({ action: 'COMMIT', model, digest: verdict.digest })
    if (commit.outcome?.kind !== 'generation') {
      enter('done')
      const reason = 'another command was faster: see `millrace status`'
      const workers = workersOf(group, null)
      return { ok: false, outcome: 'aborted', workers, generation, digest, code: 'nothing-prepared', reason }
    }
    generation = commit.outcome.plan.number
    enter('activating')
    const done = await activated(group, generation, activationTimeoutMs)
    enter('done')
    return {
      ok: done,
      outcome: done ? 'activated' : 'committed',
      workers: workersOf(group, generation),
      generation,
      digest: verdict.digest,
      code: done ? null : signal?.aborted ? 'interrupted' : 'timed-out',
      reason: done
        ? null
        : `committed as generation ${generation}, and not every worker has said that it scores with it`,
    }
  } finally {
    group.close()
  }
}

/** Undefined when time is up, or when the client was interrupted. */
async function agree(group: Dialogue, prepare: string, deadline: number): Promise<Verdict | undefined> {
  const judge = () => judgeAnswers(group, prepare)
  for (;;) {
    const verdict = await group.until(judge, deadline - Date.now())
    if (verdict?.kind !== 'ready') return verdict
    // Who has joined meanwhile has read the PREPARE and answers it too; who has left is not waited for.
    await group.look()
    const again = judge()
    if (again) return again
  }
}

function judgeAnswers({ fold, answers, members, everybody }: Dialogue, prepare: string): Verdict | undefined {
  if (fold.prepared?.command !== prepare) return { kind: 'overtaken' }
  const failed = everybody.filter((id) => answers.of(id).state === 'failed')
  if (failed.length > 0) {
    const reason = failed.map((id) => `${id}: ${answers.of(id).reason}`).join('; ')
    return { kind: 'refused', code: 'switch-refused', reason }
  }
  if (members.length === 0 || !members.every((id) => answers.of(id).state === 'prepared')) return undefined
  const digests = [...new Set(members.map((id) => answers.of(id).digest))]
  if (digests.length > 1)
    return { kind: 'refused', code: 'switch-refused', reason: `different bundles of that name: ${digests.join(', ')}` }
  return { kind: 'ready', digest: digests[0] ?? null }
}

async function aborted(
  group: Dialogue,
  verdict: Verdict | undefined,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Pick<GroupSwitchResult, 'workers' | 'code' | 'reason'>> {
  const workers = workersOf(group, null)
  if (verdict?.kind === 'refused') return { workers, code: verdict.code, reason: verdict.reason }
  if (verdict)
    return { workers, code: 'nothing-prepared', reason: 'another command has ended it: see `millrace status`' }
  if (signal?.aborted) return { workers, code: 'interrupted', reason: 'before every worker had answered' }
  const silent = workers.filter(({ state }) => state !== 'prepared').map(({ id, state }) => `${id} (${state})`)
  return { workers, code: 'timed-out', reason: `no answer within ${timeoutMs / 1000} s from ${silent.join(', ')}` }
}

/** Whether every member has made the generation, or a later one, active in time. */
export async function activated(group: Dialogue, generation: number, timeoutMs: number): Promise<boolean> {
  const allDo = () => group.members.every((id) => group.answers.activated(id) >= generation) || undefined
  return (await group.until(allDo, timeoutMs)) ?? false
}

export function workersOf({ answers, everybody }: Dialogue, generation: number | null): WorkerState[] {
  return everybody.map((id) => {
    const { state, code, reason } = answers.of(id)
    const active = generation !== null && answers.activated(id) >= generation
    if (active) return { id, state: 'activated', code: null, reason: null }
    return { id, state, code: state === 'failed' ? code : null, reason }
  })
}
