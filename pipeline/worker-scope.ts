/** What the parts of a worker share while they are put together: who they are, where they report, and how they end. */
import type { Config } from './config.js'
import type { LiveConfig } from './live-config.js'
import type { Logger } from './logging.js'
import type { Part } from './part-states.js'

export interface WorkerScope {
  /** of the worker, unique in the group */
  readonly id: string
  readonly config: Config
  readonly live: LiveConfig
  readonly log: Logger
  readonly onState: (part: Part) => (state: string, detail: string) => void
  /** aborts when nothing is in flight any more: what is waited for is given up */
  readonly ending: AbortSignal
  /** To be called when the worker ends: what was opened last is closed first. */
  readonly onClose: (close: () => Promise<unknown>) => void
}
