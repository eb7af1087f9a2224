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

export type ModelEventType =
  | 'prepared'
  | 'failed'
  | 'activated'
  | 'fenced'
  | 'rolled-back'
  | 'joined'
  | 'left'
  | 'ignored'

export interface ModelEvent {
  type: ModelEventType
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
