/** What happens while the records flow: one model after the other. */
import { pause } from '../../backoff.js'

export interface ScenarioOptions {
  /** in their order; after the last comes the first again */
  readonly models: readonly string[]
  readonly everyMs: number
  /** no switch begins later than this after the start; for ever without it */
  readonly untilMs?: number
  readonly switchTo: (model: string, from: string) => Promise<void>
  readonly signal: AbortSignal
}

export const demoModels = ['digits@1', 'digits@2', 'digits@3']

/** The first model is active already. Resolves when the last switch was asked for, or with the signal. */
export const switchInTurn = async (options: ScenarioOptions): Promise<void> => {
  const { models, everyMs, untilMs = Number.POSITIVE_INFINITY, switchTo, signal } = options
  for (let turn = 1; turn * everyMs < untilMs; turn++) {
    await pause(everyMs, signal)
    if (signal.aborted) return
    await switchTo(models[turn % models.length]!, models[(turn - 1) % models.length]!)
  }
}
