/** What the workers of a group have said about the commands of one client. */
import type { ModelEvent } from '../messages.js'
import { followLog } from './log-follower.js'
import type { Log } from './logs.js'

export type AnswerState = 'waiting' | 'loading' | 'verifying' | 'prepared' | 'failed' | 'activated' | 'left'

export interface Answer {
  readonly state: AnswerState
  /** of the bundle that it has prepared */
  readonly digest: string | null
  readonly code: string | null
  readonly reason: string | null
}

export interface GroupAnswers {
  /** Resolves when nothing is missed any more that is said from now on. Rejects when the log cannot be read. */
  readonly listening: Promise<void>
  /** Takes up what was said about this command, from now on. */
  follow(command: string): void
  of(worker: string): Answer
  /** everybody who has answered */
  readonly workers: readonly string[]
  /** the newest generation that the worker has made active, as far as it was heard */
  activated(worker: string): number
  /** the digest under which anybody has made the generation active */
  digestOf(generation: number): string | null | undefined
  close(): void
}

const silent: Answer = { state: 'waiting', digest: null, code: null, reason: null }
const states: Readonly<Record<string, AnswerState>> = {
  loading: 'loading',
  verifying: 'verifying',
  prepared: 'prepared',
  failed: 'failed',
}

export function createGroupAnswers(log: Log<ModelEvent>, onChange: () => void): GroupAnswers {
  const commands = new Set<string>()
  const answers = new Map<string, Answer>()
  const activated = new Map<string, number>()
  const digests = new Map<number, string | null>()
  const hear = (event: ModelEvent) => {
    const { worker, type, command, generation, digest, code, reason } = event
    if (type === 'left') answers.set(worker, { ...silent, state: 'left' })
    // The same name again: a worker that was started anew.
    else if (type === 'joined' && answers.get(worker)?.state === 'left') answers.delete(worker)
    else if (type === 'activated' && generation !== null) {
      activated.set(worker, Math.max(generation, activated.get(worker) ?? 0))
      digests.set(generation, digest)
      if (command !== null && commands.has(command)) answers.set(worker, { ...silent, state: 'activated', digest })
    } else if (command !== null && commands.has(command) && states[type])
      answers.set(worker, { state: states[type], digest, code, reason: type === 'failed' ? reason : null })
    else return
    onChange()
  }

  const follower = followLog(log, (item) => {
    if (item.type === 'entry') hear(item.value)
  })

  return {
    listening: follower.catchUp(),
    follow: (command) => void commands.add(command),
    of: (worker) => answers.get(worker) ?? silent,
    get workers() {
      return [...answers.keys()]
    },
    activated: (worker) => activated.get(worker) ?? 0,
    digestOf: (generation) => digests.get(generation),
    close: () => follower.close(),
  }
}
