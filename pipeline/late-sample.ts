/** Late records as they are shown to people: nothing of a record but its place is in them. */
import type { Late } from './messages.js'
import type { Watched } from './watched.js'

export type LateSample = Pick<Late, 'partition' | 'offset' | 'model' | 'stage' | 'missedByMs' | 'at'>
export type LateRecords = Watched<LateSample>

const longestText = 80

/** Anybody may write to the topic: texts are cut short, and numbers are some that JSON has. */
export const lateSample = ({ partition, offset, model, stage, missedByMs, at }: Late): LateSample => ({
  partition,
  offset,
  model: model.slice(0, 2 * longestText),
  stage: stage.slice(0, longestText),
  missedByMs: Number.isFinite(missedByMs) ? missedByMs : 0,
  at,
})

/** Of what is no late record. */
export const unreadableSample = (at: number): LateSample => ({
  partition: -1,
  offset: -1,
  model: '',
  stage: 'unreadable',
  missedByMs: 0,
  at,
})
