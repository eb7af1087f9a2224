/** What the swap needs of the logs of its deployment: decoded, in order, from the beginning, across outages. */
import type { Observable } from 'rxjs'
import type { MillraceError } from '../../stages/errors.js'

export type LogItem<T> =
  | { readonly type: 'entry'; readonly offset: number; readonly timestamp: number; readonly value: T }
  /** an entry that cannot be read; the log goes on */
  | { readonly type: 'unreadable'; readonly offset: number; readonly error: MillraceError }
  /** everything below `offset` has been emitted */
  | { readonly type: 'reached'; readonly offset: number }

export interface Log<T> {
  readonly items: Observable<LogItem<T>>
  /** The offset after the last entry there is now. Waits for the broker. */
  end(): Promise<number>
}

export interface WritableLog<T> extends Log<T> {
  /** Resolves when all in-sync replicas have it, in the order of the calls. Waits for the broker until the log is closed. */
  append(value: T): Promise<void>
}
