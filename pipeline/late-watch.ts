/** The late records of the deployment, by where they were found late. */
import { MillraceError } from '../stages/errors.js'
import type { SourceRecord } from '../stages/ports.js'
import { type LateSample, lateSample, unreadableSample } from './late-sample.js'
import type { Late } from './messages.js'
import { createRecordWatch, type RecordWatch, type RecordWatchOptions } from './record-watch.js'

export interface LateWatchOptions extends Pick<RecordWatchOptions<LateSample>, 'read'> {
  readonly decode: (value: Buffer) => Promise<Late>
}

export const createLateWatch = ({ read, decode }: LateWatchOptions): RecordWatch<LateSample> => {
  const sample = async ({ value, timestamp }: SourceRecord): Promise<LateSample> => {
    try {
      return lateSample(await decode(value ?? Buffer.alloc(0)))
    } catch (error) {
      if (!(error instanceof MillraceError) || error.retryable) throw error
      return unreadableSample(timestamp)
    }
  }
  return createRecordWatch({ read, sample, kindOf: ({ stage }) => stage })
}
