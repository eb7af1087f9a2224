/** `millrace status --stages`: two looks at every worker that can be asked, and what happened between them. */
import { createLogUpdate } from 'log-update'
import { MillraceError } from '../../../stages/errors.js'
import { pause } from '../../backoff.js'
import { groupStatus } from '../../kafka/group-status.js'
import type { Context } from '../context.js'
import { addressesOf, askWorkers, type Looks, type Unreached } from './ask.js'
import { sharesOf, type WorkerShares } from './shares.js'
import { describeStages } from './text.js'

export interface ShowOptions {
  readonly watch: boolean
  /** seconds between two looks */
  readonly every: number
  /** of workers; those that are in the group where there are none */
  readonly urls: readonly string[]
}

/** Throws `worker-unreachable` when none answers. */
export const showStages = async (context: Context, { watch, every, urls }: ShowOptions): Promise<void> => {
  const { output, signal } = context
  const asked = urls.length > 0 ? urls : await addressesOfGroup(context)
  const look = async (): Promise<Looks> => {
    const found = await askWorkers(asked, signal)
    if (found.looks.length === 0 && !signal.aborted)
      throw new MillraceError(
        'worker-unreachable',
        found.unreached.map(unreachedText).join('; ') || 'nobody is in the group',
      )
    return found
  }
  const update = watch && output.live ? createLogUpdate(output.stdout as NodeJS.WriteStream) : undefined
  for (let before = await look(); !signal.aborted; ) {
    await pause(every * 1000, signal)
    if (signal.aborted) break
    const after = await look()
    const workers = between(before, after)
    const text = () => describeStages(workers, after.unreached, output.colors)
    if (update) update(text())
    else output.result({ workers, unreached: after.unreached }, text)
    if (!watch) break
    before = after
  }
  update?.done()
}

const addressesOfGroup = async (context: Context): Promise<string[]> => {
  const { config } = await context.loadConfig()
  const { members } = await groupStatus(await context.kafka(config), config.kafka.groupId, config.topics.input)
  return addressesOf(members, config.http)
}

/** A worker that has been started in between has nothing to compare with. */
const between = (before: Looks, after: Looks): WorkerShares[] =>
  after.looks.flatMap((now) => {
    const then = before.looks.find(({ worker }) => worker === now.worker)
    return then ? [sharesOf(then, now)] : []
  })

const unreachedText = ({ url, reason }: Unreached): string => `${url}: ${reason}`
