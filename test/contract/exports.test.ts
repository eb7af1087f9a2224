/** The vocabulary of the stages, and what of it and of the rest is public: who adds a word or takes one away does it here too. */
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

/** By file, what it exports that exists at run time. */
const vocabulary: Record<string, readonly string[]> = {
  admit: ['admit'],
  'await-fences': ['awaitFences'],
  'batch-size': ['batchSize', 'earliestReady', 'firstFrom', 'likely'],
  bisect: ['bisect'],
  'by-deadline': ['byDeadline'],
  canary: ['armOf'],
  'choose-batch': ['chooseBatch'],
  commit: ['commit'],
  'compare-part': ['comparePart'],
  'concat-rows': ['JoinedRows', 'concatRows'],
  credits: ['createCredits'],
  deadline: ['deadlineHeader', 'deadlineOf'],
  'deadline-batch': ['deadlineBatch', 'probeShare'],
  'fall-back': ['fallBack'],
  'few-entries': ['FewEntries', 'FewMembers'],
  'fronts-in-time': ['frontsInTime'],
  'dead-letter': ['deadLetter'],
  'dead-letter-limit': ['deadLetterLimit'],
  decode: ['decode'],
  encode: ['encode'],
  errors: ['MillraceError', 'errors', 'lineOf', 'rejects'],
  idleness: ['createIdleness'],
  infer: ['infer'],
  leases: ['createLeases'],
  'lent-memory': ['MemoryPool', 'loanOf', 'releaseMemory'],
  'letter-window': ['createLetterWindow'],
  line: ['always', 'giveUp', 'joinLine', 'noRow'],
  'merge-covered': ['mergeCovered'],
  'merge-outgoing': ['mergeOutgoing'],
  'merge-outputs': ['mergeOutputs', 'noOutputs'],
  'micro-batch': ['microBatch'],
  missed: ['isMissed', 'missed'],
  'most-in-time': ['mostInTime'],
  'placed-records': ['PlacedRecord', 'Reply'],
  ports: ['InferenceError'],
  publish: ['publish'],
  'record-bytes': ['recordBytes'],
  'record-pool': ['giveBackRecord', 'giveBackReply', 'placedRecord', 'reply'],
  refund: ['refund'],
  'score-batch': ['scoreBatch'],
  shadow: ['shadow'],
  'slice-decoded': ['cutDecoded', 'sliceDecoded'],
  'slice-outputs': ['sliceOutputs'],
  'slice-rows': ['sliceRows'],
  'split-fetched': ['frontOffset', 'splitFront'],
  stage: ['stage'],
  'take-batch': ['takeBatch'],
  'tensor-data': ['allocate', 'tensorArrays'],
  transact: ['transact'],
  turns: ['createTurns'],
  watermarks: ['createWatermarks'],
  'with-missed': ['withMissed'],
  withhold: ['withhold'],
}

const files = readdirSync('stages')
  .map((name) => name.replace(/\.ts$/, ''))
  .filter((name) => name !== 'index')

test('there is a file for every word, and no other', () => {
  expect(files.sort()).toEqual(Object.keys(vocabulary).sort())
})

test.each(Object.entries(vocabulary))('stages/%s.ts exports %j', async (file, names) => {
  const module = await import(`../../stages/${file}.ts`)
  expect(Object.keys(module).sort()).toEqual(names)
})

test('an operator is found in the file of its name', () => {
  const operators = ['decode', 'microBatch', 'infer', 'encode', 'publish', 'commit', 'refund']
  const fileOf = (operator: string) => operator.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  for (const operator of operators) expect(vocabulary[fileOf(operator)]).toEqual([operator])
})

/** What `millrace/stages` has, that exists at run time. */
const publicStages = [
  'InferenceError',
  'MillraceError',
  'admit',
  'awaitFences',
  'commit',
  'createCredits',
  'createIdleness',
  'createLeases',
  'createWatermarks',
  'deadLetter',
  'deadlineHeader',
  'deadlineOf',
  'decode',
  'encode',
  'errors',
  'infer',
  'lineOf',
  'microBatch',
  'publish',
  'refund',
  'rejects',
  'shadow',
  'stage',
  'transact',
  'withhold',
]

test('millrace/stages has these words, and no others', async () => {
  expect(Object.keys(await import('millrace/stages')).sort()).toEqual(publicStages)
})

test('millrace has them too, and these', async () => {
  const own = ['configJsonSchema', 'createClient', 'createPipeline', 'openPorts', 'parseConfig', 'topicNames']
  expect(Object.keys(await import('millrace')).sort()).toEqual([...publicStages, ...own].sort())
})

test('whatever the pipe is made of is public', () => {
  const pipe = readFileSync('pipeline/pipe.ts', 'utf8')
  const made = [...pipe.matchAll(/^import \{ ([^}]+) \} from '\.\.\/stages\//gm)].flatMap(([, names]) =>
    names!.split(', '),
  )
  expect(made.length).toBeGreaterThan(8)
  expect(made.filter((name) => !publicStages.includes(name))).toEqual([])
})
