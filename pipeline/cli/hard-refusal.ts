/** What to ask for instead of a hard deadline, measured on the bundle that was to keep it. */
import { MillraceError } from '../../stages/errors.js'
import { waitsOf } from '../config-deadline.js'
import { valueAt } from '../config-tree.js'
import { profileBundle } from '../model/profile.js'
import { openStore } from '../model/store.js'
import type { Context } from './context.js'

/** Undefined where nobody asks for hard, or the bundle is not here to be measured. `firm`: the same call, if it had asked for a long firm one. */
export const hardRefusal = async (context: Context, firm: Context): Promise<MillraceError | undefined> => {
  const { values } = await context.readSettings()
  if (valueAt(values, 'deadline.class') !== 'hard') return undefined
  try {
    const { config } = await firm.loadConfig()
    const { path, ref } = await openStore(config.bundles.directory).find(config.model ?? '')
    const { intraOpThreads } = config.inference
    const batchSizes = [1, config.batch.maxRecords]
    const { table } = await profileBundle(path, { batchSizes, measureMs: 200, missRatio: 0.01, intraOpThreads })
    const waits = waitsOf(config)
    const choices = table.map(({ rows, p99Ms }) => {
      const ms = waits.reduce((sum, [, wait]) => sum + wait, p99Ms)
      const terms = [['p99', Number(p99Ms.toPrecision(3))], ...waits].map((term) => term.join(' ')).join(' + ')
      return `from ${Math.ceil(ms)} ms on for batches of ${rows} (${terms})`
    })
    return new MillraceError(
      'config-invalid',
      'deadline.class: hard cannot be promised by a garbage-collected runtime on a shared kernel: ask for firm; measured on this machine just ' +
        `now, besides what Kafka takes, ${ref} can keep a firm one ${choices.join(', ')}`,
    )
  } catch {
    // What else is wrong is told by the refusal that names no figures.
    return undefined
  }
}
