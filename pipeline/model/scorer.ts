import { setTimeout as delay } from 'node:timers/promises'
import { JoinedRows } from '../../stages/concat-rows.js'
import { FewEntries, FewMembers } from '../../stages/few-entries.js'
import { InferenceError, type Outputs, type Rows, type Scorer, type ScoringPlan } from '../../stages/ports.js'
import type { Bundle } from './bundle.js'
import { graphsOf } from './chain.js'
import type { Answer, InferenceThread } from './inference-thread.js'
import { createInferenceThreads, type InferenceThreads } from './inference-threads.js'
import type { OutputBinding } from './outputs.js'
import { holds } from './tensors.js'
import type { InferenceJob } from './worker-messages.js'

/** What a scorer needs of a bundle. */
export interface ScorableBundle extends Pick<Bundle, 'ref' | 'plan' | 'files'> {
  readonly manifest: Pick<Bundle['manifest'], 'outputs'>
}

export interface ScorerOptions {
  /** threads that one operator of the model may use; 1 by default, for calls come in batches and workers by the dozen */
  readonly intraOpThreads?: number
  /** how long loading and warming up may take; 60,000 by default */
  readonly loadTimeoutMs?: number
  /** Told of every thread that dies; it is started again. */
  readonly onDeath?: (ref: string, reason: string) => void
  /** where its thread comes from and goes back to, closed by whoever made them; by default one of its own */
  readonly threads?: InferenceThreads
}

const firstRestartDelayMs = 100
const longestRestartDelayMs = 10_000
/** A thread may die as it is started, too; what fails so often in a row is no accident. */
const mostRestarts = 4

interface Call {
  readonly rows: Rows
  /** worker threads that have died with this call at the head of their queue */
  kills: number
  readonly resolve: (outputs: Outputs) => void
  readonly reject: (error: Error) => void
}

/**
 * Loads a bundle into a worker thread of its own and warms it up. Rejects with `MillraceError` `model-load-failed` or `model-unfit`.
 *
 * Any number of calls may be under way; the thread answers them one after the other, each at once in full batches. When the thread dies, it
 * is started again (after a delay that doubles with each death in a row) and the calls are sent again; a call that was being answered at
 * two deaths is held to be their cause and rejects with `InferenceError`, so that bisection finds the record. When it cannot be started
 * again, four times in a row, all waiting calls reject and the next one tries anew. Whoever creates a scorer closes it; idle, it does not keep the process alive.
 */
export async function createScorer(bundle: ScorableBundle, options: ScorerOptions = {}): Promise<Scorer> {
  const { ref, plan } = bundle
  const job = jobOf(bundle, options.intraOpThreads ?? 1)
  const calls = new FewEntries<number, Call>()
  const answers = new FewMembers<Promise<Outputs>>()
  let thread: InferenceThread | undefined
  let restarting: Promise<void> | undefined
  let deathsInARow = 0
  let nextId = 0
  let closed: Promise<void> | undefined

  const threads = options.threads ?? createInferenceThreads({ spare: 0 })
  const start = () =>
    threads.start(job, {
      name: ref,
      loadTimeoutMs: options.loadTimeoutMs ?? 60_000,
      onAnswer: settle,
      onDeath: mourn,
    })

  function settle(answer: Answer): void {
    const call = calls.get(answer.id)
    calls.delete(answer.id)
    deathsInARow = 0
    if (calls.size === 0) thread?.hold(false)
    if (answer.kind === 'scored') call?.resolve(answer.outputs)
    else if (answer.rowsAtFault) call?.reject(new InferenceError(answer.reason))
    else call?.reject(new Error(`${ref}: ${answer.reason}`))
  }

  function mourn(reason: string): void {
    thread = undefined
    deathsInARow++
    options.onDeath?.(ref, reason)
    const [head] = calls
    if (head && ++head[1].kills === 2) {
      calls.delete(head[0])
      head[1].reject(new InferenceError(`the worker thread died twice on these rows: ${reason}`))
    }
    if (calls.size > 0) restart()
  }

  function restart(): void {
    restarting ??= revive().finally(() => {
      restarting = undefined
    })
  }

  async function revive(): Promise<void> {
    for (let left = mostRestarts; ; left--) {
      const wait = deathsInARow === 0 ? 0 : firstRestartDelayMs * 2 ** (deathsInARow - 1)
      await delay(Math.min(wait, longestRestartDelayMs))
      try {
        thread = await start()
        for (const [id, call] of calls) thread.send(id, call.rows)
        return
      } catch (error) {
        deathsInARow++
        if (left > 1) continue
        for (const call of calls.values()) call.reject(new Error(`${ref} cannot be started again`, { cause: error }))
        calls.clear()
        return
      }
    }
  }

  thread = await start()
  thread.hold(false)

  return {
    score(rows) {
      if (closed) return Promise.reject(new Error(`the scorer of ${ref} is closed`))
      const wrong = mismatch(rows, plan)
      if (wrong) return Promise.reject(new TypeError(`${ref}: ${wrong}`))
      if (rows.count === 0) return Promise.resolve(nothing(job.outputs))
      const answer = new Promise<Outputs>((resolve, reject) => {
        const id = nextId++
        calls.set(id, { rows, kills: 0, resolve, reject })
        thread?.hold(true)
        if (thread) thread.send(id, rows)
        else restart()
      })
      answers.add(answer)
      const forget = () => answers.delete(answer)
      answer.then(forget, forget)
      return answer
    },
    close() {
      closed ??= (async () => {
        await Promise.allSettled(answers)
        await restarting
        await thread?.close()
      })()
      return closed
    },
  }
}

function jobOf(bundle: ScorableBundle, intraOpThreads: number): InferenceJob {
  const { label, scores, values, labels } = bundle.manifest.outputs
  return {
    graphs: graphsOf(bundle.files),
    inputs: bundle.plan.inputs,
    outputs: { label, scores, values, labels },
    intraOpThreads,
  }
}

/** What is wrong with the form of the rows: an error of the caller, not of a record. */
function mismatch(rows: Rows, plan: ScoringPlan): string | undefined {
  if (rows instanceof JoinedRows)
    return rows.parts.map((part) => mismatch(part, plan)).find((wrong) => wrong !== undefined)
  if (rows.columns.length !== plan.inputs.length)
    return `${rows.columns.length} columns for ${plan.inputs.length} inputs`
  for (const [index, input] of plan.inputs.entries()) {
    const column = rows.columns[index]
    if (!column || !holds(input.type, column)) return `the column of '${input.tensor}' is not ${input.type}`
    const expected = rows.count * input.width
    if (column.length !== expected)
      return `the column of '${input.tensor}' has ${column.length} elements instead of ${expected}`
  }
  return undefined
}

function nothing(outputs: OutputBinding): Outputs {
  const classifies = outputs.label !== undefined || outputs.labels !== undefined
  return { count: 0, labels: classifies ? [] : null, scores: new Float32Array(0), scoresWidth: 0, values: new Map() }
}
