/** The messages of the contract as TypeScript types; `schemas/*.avsc` hold the same as Avro, and a test compares the two. */

export interface Prediction {
  topic: string
  partition: number
  offset: number
  /** name@version */
  model: string
  digest: string
  generation: number
  label: string | null
  scores: number[]
  values: Record<string, number[]>
  late: boolean
  /** milliseconds since the epoch */
  scoredAt: number
  echo: Record<string, string>
}

export const actions = ['SWITCH', 'PREPARE', 'COMMIT', 'ABORT', 'ROLLBACK', 'CANARY', 'SHADOW', 'UNLOAD'] as const
export type Action = (typeof actions)[number]

export interface ModelCommand {
  /** uuid; a repeated id is ignored */
  id: string
  action: Action
  /** name@version */
  model: string | null
  digest: string | null
  percent: number | null
  issuedAt: number
  issuer: string
  sequence: number
  signature: Buffer | null
}

/** An open set: readers let pass what they do not know. */
export type ModelEventType =
  | 'joined'
  | 'left'
  | 'loading'
  | 'verifying'
  | 'prepared'
  | 'failed'
  | 'activated'
  | 'fenced'
  | 'draining'
  | 'released'
  | 'aborted'
  | 'rolled-back'
  | 'ignored'
  | 'stored'
  | 'removed'
  | 'configured'
  | 'halted'
  | 'waiting'
  | 'resumed'

export interface ModelEvent {
  type: ModelEventType | (string & {})
  worker: string
  /** id of the command that this answers */
  command: string | null
  model: string | null
  digest: string | null
  generation: number | null
  code: string | null
  reason: string | null
  at: number
}

/**
 * The first offset of an input partition that a generation scores. Key: `fenceKey`. Generation 0 is no fence but a claim (see `claimOf`):
 * `worker` owns the partition from here on in the log, and what others write about it afterwards is void.
 */
export interface Fence {
  deployment: string
  topic: string
  partition: number
  generation: number
  offset: number
  /** name@version; in a canary or a shadow the one that was active before */
  model: string
  digest: string
  /** ALL: `model` scores everything. CANARY: `candidate` scores `percent` of the keys. SHADOW: `candidate` scores too, unpublished. */
  mode: 'ALL' | 'CANARY' | 'SHADOW'
  candidate: string | null
  candidateDigest: string | null
  percent: number | null
  /** id of the command that began the generation */
  command: string | null
  worker: string
  at: number
}

export const fenceKey = (fence: Pick<Fence, 'deployment' | 'topic' | 'partition' | 'generation'>): string =>
  `${fence.deployment}/${fence.topic}/${fence.partition}/${fence.generation}`

/** Beyond every record: who looks fences up by offset alone never meets a claim. The largest long that avsc writes. */
const claimOffset = Number.MAX_SAFE_INTEGER - 1

/** The `number`-th claim of a partition. */
export const claimOf = (
  of: Pick<Fence, 'deployment' | 'topic' | 'partition' | 'worker'>,
  number: number,
  at: number,
): Fence => ({
  ...of,
  generation: 0,
  offset: claimOffset,
  model: '',
  digest: '',
  mode: 'ALL',
  candidate: null,
  candidateDigest: null,
  percent: null,
  command: `claim ${number}`,
  at,
})

/** Which claim this is; undefined for a fence. What is no number counts as none before it. */
export const claimNumber = ({ generation, command }: Fence): number | undefined =>
  generation === 0 ? Number(/^claim (\d+)$/.exec(command ?? '')?.[1] ?? 0) : undefined

/** A firm-deadline record that was not scored, or not in time. */
export interface Late {
  topic: string
  partition: number
  offset: number
  model: string
  digest: string
  generation: number
  /** where it was found late: admission, before it was scored; inference, once it was */
  stage: string
  /** milliseconds since the epoch */
  deadline: number
  missedByMs: number
  at: number
}

/** What two models said of one input record. */
export interface Shadow {
  topic: string
  partition: number
  offset: number
  generation: number
  model: string
  digest: string
  candidate: string
  candidateDigest: string
  label: string | null
  candidateLabel: string | null
  agree: boolean
  distance: number | null
  at: number
}
