/** The demo from its first process to its last: everything that is started here is stopped here. */
import { writeFile } from 'node:fs/promises'
import { MillraceError } from '../../../stages/errors.js'
import type { SchemaRegistry } from '../../avro/registry.js'
import { pause } from '../../backoff.js'
import { withRegistry } from '../../client/registry.js'
import { withAdmin } from '../../kafka/admin.js'
import { groupStatus } from '../../kafka/group-status.js'
import type { Context } from '../context.js'
import { CommandFailed } from '../failure.js'
import { createJudge } from './judge.js'
import { picture } from './picture.js'
import { findPlace, type Place } from './place.js'
import { report } from './report.js'
import { sampleMemory } from './sample.js'
import { readScans } from './scans.js'
import { demoModels } from './scenario.js'
import { createScreen } from './screen.js'
import { createSnapshots } from './snapshots.js'
import { stream } from './stream.js'
import { type DemoWorker, pageOf, startDemoWorker } from './workers.js'

export interface DemoOptions {
  readonly contextWith: (values: Readonly<Record<string, string>>) => Context
  readonly perSecond: number
  readonly switchEveryMs: number
  /** how long records flow; until Ctrl-C without it */
  readonly durationMs?: number
  /** a view that moves, instead of lines */
  readonly terminal: boolean
  readonly keep: boolean
  /** arguments for the workers, beside what the demo sets */
  readonly workerArgs: readonly string[]
  /** CSV file for memory over time */
  readonly sampleFile?: string
  /** SVG file for a view near the end */
  readonly pictureFile?: string
}

const partitions = 4
const workerIds = ['worker-1', 'worker-2']
const joinMs = 60_000

/** Errors: those of `findPlace`, `worker-ended`, `stack-failed`; `CommandFailed` when a prediction is missing or a switch was not carried out. */
export const runDemo = async (options: DemoOptions): Promise<void> => {
  const context = options.contextWith({})
  const { output, signal } = context
  const workers: DemoWorker[] = []
  let place: Place | undefined
  let closing: (() => void) | undefined
  try {
    place = await findPlace({ ...options, partitions })
    closing = await play(options, context, place, workers)
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    if (!signal.aborted) output.note(output.colors.dim('stopping the workers'))
    await Promise.all(workers.map((worker) => worker.stop()))
    await place?.leave()
  }
  if (closing) closing()
  else output.note('stopped before records flowed')
}

/** Resolves, when everything has flowed, with what is left to be said once all is stopped. */
const play = async (
  options: DemoOptions,
  context: Context,
  place: Place,
  workers: DemoWorker[],
): Promise<(() => void) | undefined> => {
  const { output, environment, signal } = context
  const { config, kafka } = place
  output.note(output.colors.dim(`starting ${workerIds.length} workers of deployment ${config.deployment}`))
  for (const id of workerIds) {
    const args = options.workerArgs
    workers.push(
      await startDemoWorker({ id, config, model: demoModels[0]!, args, environment, directory: place.directory }),
    )
  }
  const failed = Promise.race([place.failed, ...workers.map((worker) => worker.failed)])
  await Promise.race([bothJoined(place, signal), failed])
  if (signal.aborted) return undefined

  const [scans, page] = await Promise.all([readScans(), pageOf(workers)])
  if (page !== undefined) output.note(`the page: ${page}`)
  const judge = createJudge(scans, partitions)
  const snapshots = createSnapshots({
    judge,
    deployment: config.deployment,
    page,
    workers,
    models: demoModels,
    partitions,
    wantedRate: options.perSecond,
  })
  const screen = createScreen(output, snapshots, options.terminal)
  const endSampling = options.sampleFile && sampleMemory(options.sampleFile, judge, workers)
  // Ctrl-C ends the flow, not the reading of what comes out of it.
  const ending = new AbortController()
  const flow = (registry: SchemaRegistry) =>
    stream({ ...options, config, kafka, registry, partitions, scans, judge, signal, onEvent: screen.event })
  const { pictureFile, durationMs } = options
  const drawing =
    pictureFile && durationMs && setTimeout(() => writeFile(pictureFile, picture(snapshots.take())), durationMs - 500)
  try {
    await Promise.race([withRegistry({ ...context, signal: ending.signal }, config, flow), failed])
  } finally {
    if (drawing) clearTimeout(drawing)
    ending.abort()
    screen.close()
    if (endSampling) endSampling()
  }

  const recordsIn = await endOf(place)
  return () => {
    const figures = { ...judge.figures(), recordsIn }
    output.result(figures, () => report(figures, output.colors))
    if (figures.missing > 0 || recordsIn !== figures.sent) throw new CommandFailed('a prediction is missing')
    if (judge.switches.pending) throw new CommandFailed('a switch was not carried out')
  }
}

/** Records in the input topic, as the broker counts them. */
const endOf = ({ kafka, config }: Place): Promise<number> =>
  withAdmin(kafka, async (admin) => {
    const offsets = await admin.fetchTopicOffsets(config.topics.input)
    return offsets.reduce((sum, { high }) => sum + Number(high), 0)
  })

/** Resolves when every worker has its partitions, or with the signal. */
const bothJoined = async (place: Place, signal: AbortSignal): Promise<void> => {
  const deadline = performance.now() + joinMs
  while (!signal.aborted && !(await isShared(place))) {
    if (performance.now() > deadline) throw new MillraceError('timed-out', 'the workers have not joined their group')
    await pause(200, signal)
  }
}

const isShared = async ({ kafka, config }: Place): Promise<boolean> => {
  try {
    const { state, members } = await groupStatus(kafka, config.kafka.groupId, config.topics.input)
    const joined = state === 'Stable' && members.length === workerIds.length
    return joined && members.every(({ partitions: owned }) => owned.length > 0)
  } catch (error) {
    // A broker that has just started takes a moment until it knows who coordinates the group.
    if (error instanceof MillraceError && error.retryable) return false
    throw error
  }
}
