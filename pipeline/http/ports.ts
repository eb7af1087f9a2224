/** What the REST interface needs of a worker. Errors are `MillraceError`s: their codes decide about the status of the answer. */
import type { Observable, Subscription } from 'rxjs'
import type { FlowFrame } from '../flow-history.js'
import type { GroupEvent } from '../group-view.js'
import type { LabelMix } from '../label-mix.js'
import type { LateRecords } from '../late-sample.js'
import type { DeadLetters } from '../letter-sample.js'
import type { ModelCommand } from '../messages.js'
import type { Bundle, GateReport, SentCommand, Setting, SettingChanges, Status, Stored } from '../rest-views.js'
import type { PredictionSample } from '../samples.js'

export type CommandRequest = Pick<ModelCommand, 'action'> & Partial<Pick<ModelCommand, 'model' | 'digest' | 'percent'>>

export interface ServedWorker {
  /** Cheap: probes ask every few seconds. */
  ready(): { readonly ready: boolean; readonly waiting: readonly string[] }
  /** With what the broker says of the group, at most a few seconds old. Never rejects because the broker is away. */
  status(): Promise<Status>
  readonly metrics: { readonly contentType: string; text(): Promise<string> }
  readonly config: {
    settings(): Setting[]
    /** All of it or nothing; throws `config-invalid`. */
    change(settings: Record<string, unknown>): SettingChanges
  }
  readonly models: {
    readonly mutable: boolean
    list(): Promise<Bundle[]>
    /** Verifies the archive in the file, keeps a copy, and sends it to every worker of the deployment; a broker that is away is an error. */
    put(path: string): Promise<Stored>
    /** Puts it through every gate, beside the stream. Throws `model-unknown`, and `too-busy` while another one is tried. */
    verify(ref: string): Promise<GateReport>
    /** Throws `model-unknown`, and `model-in-use` for one that is loaded here or pinned. */
    remove(ref: string): Promise<{ readonly ref: string; readonly digest: string }>
  }
  /** Appends a command for the whole deployment. */
  send(command: CommandRequest): Promise<SentCommand>
  readonly events: {
    /** oldest first */
    readonly latest: readonly GroupEvent[]
    readonly next: Observable<GroupEvent>
  }
  readonly flow: {
    /** oldest first */
    readonly frames: readonly FlowFrame[]
    readonly next: Observable<FlowFrame>
  }
  readonly samples: {
    readonly shown: boolean
    /** newest first */
    readonly predictions: readonly PredictionSample[]
    readonly labels: LabelMix
  }
  /** of the whole deployment, while somebody looks */
  readonly letters: {
    readonly current: DeadLetters
    look(): Subscription
  }
  /** the same of late records; undefined where there can be none */
  readonly late: { readonly current: LateRecords; look(): Subscription } | undefined
}
