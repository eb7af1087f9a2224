/**
 * The configuration of a running worker. A few settings may change while it runs; they are checked together with all the others, and either
 * all of a change is taken or nothing of it.
 */
import { Subject, type Subscription } from 'rxjs'
import { MillraceError } from '../stages/errors.js'
import { type Config, parseConfig } from './config.js'
import type { ConfigSource } from './config-load.js'
import { isTree, leaves, merge, put, type Tree, valueAt } from './config-tree.js'

/** What may change while a worker runs. Everything else takes a restart. */
export const liveSettings: readonly string[] = [
  'batch.maxRecords',
  'batch.maxBytes',
  'batch.maxDelayMs',
  'deadline.ms',
  'guardrails.windowMs',
  'guardrails.minRecords',
  'guardrails.maxErrorRate',
  'guardrails.maxLatencyMs',
  'guardrails.maxDisagreement',
  'logLevel',
]

/** A pipe without a deadline has no stages for one. */
export const isLive = (path: string, { deadline }: Pick<Config, 'deadline'>): boolean =>
  liveSettings.includes(path) && (path !== 'deadline.ms' || deadline !== undefined)

export interface SettingChange {
  /** dotted: batch.maxRecords */
  readonly path: string
  /** null: not set */
  readonly from: unknown
  readonly to: unknown
}

export interface LiveConfig {
  /** A new frozen object after every change. */
  readonly current: Config
  /** where each value came from, by path; `rest` for what was changed while running */
  readonly sources: ReadonlyMap<string, ConfigSource>
  /** Emits what changed, after it is `current`. */
  readonly changes: Subject<readonly SettingChange[]>
  /**
   * Takes settings (groups in groups, as in the file; null takes one away) over the current ones and returns those that are different now.
   * Throws `config-invalid` for a setting that is not live, for a value that is not valid, and for one that does not go with the others.
   */
  change(settings: Tree): readonly SettingChange[]
}

export function createLiveConfig(config: Config, from: ReadonlyMap<string, ConfigSource> = new Map()): LiveConfig {
  const sources = new Map(from)
  const changes = new Subject<readonly SettingChange[]>()
  let current = config
  return {
    get current() {
      return current
    },
    sources,
    changes,
    change(settings) {
      for (const path of leaves(settings))
        if (!isLive(path, current))
          throw new MillraceError(
            'config-invalid',
            `${path} does not change while a worker runs: set it and start it anew`,
          )
      const wanted = structuredClone(current) as unknown as Tree
      merge(wanted, structuredClone(settings))
      for (const path of leaves(settings)) if (valueAt(settings, path) === null) put(wanted, path, undefined)
      const next = parseConfig(wanted)
      const changed = [...leaves(settings)]
        .map((path) => ({ path, from: shown(current, path), to: shown(next, path) }))
        .filter(({ from, to }) => from !== to)
      if (changed.length === 0) return changed
      current = next
      for (const { path } of changed) sources.set(path, 'rest')
      changes.next(changed)
      return changed
    },
  }
}

/** Logs at the level that is set, as it changes. Whoever subscribes ends it. */
export const keepLevel = (log: { level: string }, live: Pick<LiveConfig, 'changes' | 'current'>): Subscription =>
  live.changes.subscribe((changes) => {
    if (changes.some(({ path }) => path === 'logLevel')) log.level = live.current.logLevel
  })

/** `batch.maxRecords 512 → 1024, logLevel info → debug` */
export const describeChanges = (changes: readonly SettingChange[]): string =>
  changes.map(({ path, from, to }) => `${path} ${from ?? 'none'} → ${to ?? 'none'}`).join(', ')

/** Null where nothing is set. */
const shown = (config: Config, path: string): unknown => (isTree(config) ? (valueAt(config, path) ?? null) : null)
