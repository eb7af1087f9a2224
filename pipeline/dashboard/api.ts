/** What the page asks the worker for, and tells it. */
import type { FlowFrame } from '../flow-history.js'
import type { GroupEvent } from '../group-view.js'
import type { LabelMix } from '../label-mix.js'
import type { LateRecords } from '../late-sample.js'
import type { DeadLetters } from '../letter-sample.js'
import type {
  Bundle,
  GateReport,
  Problem,
  SentCommand,
  Setting,
  SettingChanges,
  Status,
  Stored,
} from '../rest-views.js'
import type { PredictionSample } from '../samples.js'

/** What passed since the last time, newest first. */
export interface Sampled {
  readonly labels: LabelMix
  readonly predictions: readonly PredictionSample[]
  /** of the deployment; only where they are other than the last time */
  readonly deadLetters?: DeadLetters
  /** the same; never where there is no firm deadline */
  readonly lateRecords?: LateRecords
  /** false: the worker shows no records */
  readonly shown: boolean
}

export interface LiveListener {
  history(history: Sampled & { readonly frames: readonly FlowFrame[]; readonly events: readonly GroupEvent[] }): void
  frame(frame: Sampled & { readonly frame: FlowFrame }): void
  event(event: GroupEvent): void
  /** whether the worker can be reached */
  connected(connected: boolean): void
}

/** Comes back by itself, and begins with the history again. */
export const listen = (listener: LiveListener): void => {
  const source = new EventSource('/v1/live')
  const on = <T>(name: string, take: (data: T) => void) =>
    source.addEventListener(name, (message) => take(JSON.parse((message as MessageEvent<string>).data)))
  on('history', listener.history)
  on('frame', listener.frame)
  on('event', listener.event)
  source.onopen = () => listener.connected(true)
  source.onerror = () => listener.connected(false)
}

/** An answer that is an error: its message is what a person needs to know. */
export class Refusal extends Error {
  constructor(readonly problem: Problem) {
    super(`${problem.title}: ${problem.detail}. ${problem.remedy}.`)
  }
}

const tokenKey = 'millrace-token'

/** The token comes with the address (`#token=…`) or is typed in; it lasts as long as the tab. */
export const takeTokenFromAddress = (): void => {
  const given = new URLSearchParams(location.hash.slice(1)).get('token')
  if (given === null) return
  setToken(given)
  history.replaceState(null, '', location.pathname)
}
export const token = (): string | null => sessionStorage.getItem(tokenKey)
export const setToken = (value: string | null): void => {
  if (value === null || value === '') sessionStorage.removeItem(tokenKey)
  else sessionStorage.setItem(tokenKey, value)
}

const call = async <T>(method: string, path: string, body?: object | Blob): Promise<T> => {
  const headers: Record<string, string> = {}
  const shown = token()
  if (method !== 'GET' && shown !== null) headers.authorization = `Bearer ${shown}`
  if (body !== undefined) headers['content-type'] = body instanceof Blob ? 'application/gzip' : 'application/json'
  const answer = await fetch(path, { method, headers, body: body instanceof Blob ? body : JSON.stringify(body) })
  if (answer.ok) return (await answer.json()) as T
  throw new Refusal((await answer.json()) as Problem)
}

export type SwitchRequest = { model: string; digest?: string; canary?: number; shadow?: boolean }

export const api = {
  status: () => call<Status>('GET', '/v1/status'),
  models: () => call<{ models: Bundle[]; mutable: boolean }>('GET', '/v1/models'),
  settings: () => call<{ settings: Setting[] }>('GET', '/v1/config'),
  change: (settings: object) => call<SettingChanges>('PATCH', '/v1/config', settings),
  upload: (file: Blob) => call<Stored>('POST', '/v1/models', file),
  verify: (ref: string) => call<GateReport>('POST', `/v1/models/${encodeURIComponent(ref)}/verify`),
  remove: (ref: string) => call<{ ref: string }>('DELETE', `/v1/models/${encodeURIComponent(ref)}`),
  switch: (request: SwitchRequest) => call<SentCommand>('POST', '/v1/switch', request),
  rollback: () => call<SentCommand>('POST', '/v1/rollback'),
}
