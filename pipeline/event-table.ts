/** What a worker says on `D.events` and in its log, in one table: what it is logged as, and what the docs print. */
import type { ModelEvent, ModelEventType } from './messages.js'

export interface EventEntry {
  readonly level: 'debug' | 'info' | 'error'
  readonly help: string
  /** what it says beside `type`, `worker` and `at`; everything else is null */
  readonly fields: readonly (keyof ModelEvent)[]
}

type KnownType = ModelEventType extends infer Type ? (string extends Type ? never : Type) : never

export const eventTable = {
  joined: {
    level: 'info',
    help: 'The worker is about to join the group of the deployment.',
    fields: ['reason'],
  },
  left: {
    level: 'info',
    help: 'The worker has stopped, or was ended by an error; what it had in flight is finished or given back.',
    fields: [],
  },
  halted: {
    level: 'error',
    help: 'Too many records could not be scored: the worker ends (`deadLetter.limit`). `reason` has how many.',
    fields: ['code', 'reason'],
  },
  waiting: {
    level: 'debug',
    help: 'The worker is not ready: something it needs is away. `reason` has what, and what mends it. Said again every minute while it lasts; the log has a line for each part.',
    fields: ['reason'],
  },
  resumed: {
    level: 'info',
    help: 'What the worker waited for is back: it goes on.',
    fields: [],
  },
  loading: {
    level: 'debug',
    help: 'A command names a bundle that is not loaded here: it is looked for and read.',
    fields: ['command', 'model', 'digest', 'generation', 'reason'],
  },
  verifying: {
    level: 'debug',
    help: 'The bundle is put through its gates.',
    fields: ['command', 'model', 'digest', 'generation', 'reason'],
  },
  prepared: {
    level: 'info',
    help: 'The bundle is ready here; `reason` has what was measured. Says so once for each worker.',
    fields: ['command', 'model', 'digest', 'generation', 'reason'],
  },
  failed: {
    level: 'error',
    help: 'A bundle, a command or a push cannot be used here: the old model goes on. `code` is one of the error table.',
    fields: ['command', 'model', 'digest', 'generation', 'code', 'reason'],
  },
  activated: {
    level: 'info',
    help: 'The bundle scores what comes from now on in this worker.',
    fields: ['command', 'model', 'digest', 'generation', 'reason'],
  },
  fenced: {
    level: 'debug',
    help: 'The first offset of a partition that a generation scores is in the log.',
    fields: ['command', 'model', 'digest', 'generation', 'reason'],
  },
  draining: {
    level: 'debug',
    help: 'The bundle gets no new records; what it has is finished.',
    fields: ['command', 'model', 'digest', 'generation', 'reason'],
  },
  released: {
    level: 'debug',
    help: 'Session and thread of the bundle are gone.',
    fields: ['command', 'model', 'digest', 'generation', 'reason'],
  },
  aborted: {
    level: 'info',
    help: 'What was prepared is forgotten: an ABORT.',
    fields: ['command', 'model'],
  },
  'rolled-back': {
    level: 'info',
    help: 'A ROLLBACK is carried out, or a guardrail has asked for one: then `code` is `guardrail` and `reason` has the figures.',
    fields: ['command', 'model', 'digest', 'generation', 'code', 'reason'],
  },
  ignored: {
    level: 'info',
    help: 'A command that changes nothing here, or a record of a log that is none.',
    fields: ['command', 'model', 'digest', 'code', 'reason'],
  },
  stored: {
    level: 'info',
    help: 'A bundle has come, over `D.models` or over REST, and is kept; `reason` says how.',
    fields: ['model', 'digest', 'reason'],
  },
  removed: {
    level: 'info',
    help: 'A bundle is gone from the store: deleted over REST, or pushed or uploaded and not used for `bundles.collectAfterMs`; `reason` says why.',
    fields: ['model', 'digest', 'reason'],
  },
  configured: {
    level: 'info',
    help: 'Settings were changed while running; `reason` has each with its value before and after.',
    fields: ['reason'],
  },
} as const satisfies Record<KnownType, EventEntry>

/** Types of another release are logged as well. */
export const levelOf = (type: string): EventEntry['level'] =>
  Object.hasOwn(eventTable, type) ? eventTable[type as keyof typeof eventTable].level : 'info'
