/**
 * The longest time without a prediction around a switch, less the longest in as long a time without one: what a switch costs whoever waits
 * for predictions. By the clock of the broker, at a rate at which something is always due.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { appendTimes } from '../append-times.js'
import { withDeployment } from '../live-deployment.js'
import { median, rowOf } from '../result.js'
import type { Part } from '../suite.js'

const perSecond = 5_000

export const switchGap: Part = async (options) => {
  // Of each stretch, with a switch in its first half or without one.
  const [switches, stretchMs, settleMs] = options.smoke ? [1, 400, 0] : [10, 2_000, 5_000]
  const { gaps, quiet } = await withDeployment(options, async (deployment) => {
    deployment.startWorker()
    await deployment.stream(perSecond, 0.1)
    await deployment.allPredicted()
    const streaming = deployment.stream(perSecond, (settleMs + switches * 2 * stretchMs) / 1_000 + 0.5)
    await sleep(settleMs)
    const windows: { readonly from: number; readonly switched: boolean }[] = []
    for (let count = 0; count < switches; count++) {
      for (const switched of [false, true]) {
        windows.push({ from: Date.now(), switched })
        await sleep(stretchMs / 4)
        if (switched) await deployment.switchTo(`bench@${1 + ((count + 1) % 3)}`)
        await sleep((3 * stretchMs) / 4)
      }
    }
    await streaming
    await deployment.allPredicted()
    const { moments } = await appendTimes(options.kafka, deployment.predictions)
    const of = (wanted: boolean) =>
      windows
        .filter(({ switched }) => switched === wanted)
        .map(({ from }) => longestGap(moments.filter((at) => at >= from && at < from + stretchMs)))
    return { gaps: of(true), quiet: of(false) }
  })
  const usual = median(quiet)
  return [
    rowOf('switch', 'longest gap without a switch', quiet, 'ms'),
    rowOf('switch', 'longest gap around a switch', gaps, 'ms'),
    rowOf('switch', 'what a switch adds', [median(gaps) - usual], 'ms', {
      note: `at ${perSecond}/s, ${switches} switches`,
    }),
  ]
}

const longestGap = (moments: readonly number[]): number =>
  moments.reduce((longest, at, index) => Math.max(longest, at - (moments[index - 1] ?? at)), 0)
