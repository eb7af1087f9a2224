/** What the workers of a group say of a bundle that is pushed to them. */
import { MillraceError } from '../../stages/errors.js'
import { pause } from '../backoff.js'
import { withGroup } from '../client/group.js'
import type { Config } from '../config.js'
import type { ModelEvent } from '../messages.js'
import type { Pushed } from '../push-model.js'
import { followLog } from '../swap/log-follower.js'
import type { Context } from './context.js'

export interface StoredBy {
  readonly worker: string
  readonly stored: boolean
  /** why it is not, or where it was */
  readonly reason: string | null
}

const lookEveryMs = 300

/**
 * Sends, and resolves when every member of the group has stored the bundle or refused it. Rejects with `no-workers` when there is nobody, and
 * with `timed-out`, naming who has not answered.
 */
export const waitUntilStored = (
  context: Context,
  config: Config,
  send: () => Promise<Pushed>,
  timeoutMs: number,
): Promise<{ readonly pushed: Pushed; readonly workers: readonly StoredBy[] }> =>
  withGroup(context, config, { events: 'new' }, async ({ dialogue: { events, members } }) => {
    const heard: ModelEvent[] = []
    const follower = followLog(events, (item) => {
      if (item.type === 'entry' && (item.value.type === 'stored' || item.value.type === 'failed'))
        heard.push(item.value)
    })
    try {
      // Nothing that is said from now on is missed.
      await follower.catchUp()
      if ((await members()).length === 0) throw new MillraceError('no-workers', config.deployment)
      const pushed = await send()
      const answer = (worker: string) => heard.find((one) => one.worker === worker && one.digest === pushed.digest)
      const deadline = Date.now() + timeoutMs
      for (;;) {
        const workers = await members()
        const silent = workers.filter((worker) => !answer(worker))
        if (silent.length === 0)
          return {
            pushed,
            workers: workers.map((worker) => {
              const { type, reason } = answer(worker)!
              return { worker, stored: type === 'stored', reason }
            }),
          }
        if (context.signal.aborted) throw new MillraceError('interrupted', 'before every worker had answered')
        if (Date.now() > deadline)
          throw new MillraceError('timed-out', `no answer within ${timeoutMs / 1000} s from ${silent.join(', ')}`)
        await pause(lookEveryMs, context.signal)
      }
    } finally {
      follower.close()
    }
  })
