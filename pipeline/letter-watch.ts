/** The dead letters of the deployment, by their code. */
import { toDeadLetter } from './dead-letter.js'
import { type DeadLetterSample, letterSample } from './letter-sample.js'
import { createRecordWatch, type RecordWatch, type RecordWatchOptions } from './record-watch.js'

export type LetterWatchOptions = Pick<RecordWatchOptions<DeadLetterSample>, 'read' | 'shown'>

export const createLetterWatch = (options: LetterWatchOptions): RecordWatch<DeadLetterSample> =>
  createRecordWatch({
    ...options,
    sample: (record, partition) => letterSample(toDeadLetter(record, partition)),
    kindOf: ({ code }) => code,
  })
