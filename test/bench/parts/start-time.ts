/** From the start of the program to its first prediction, with broker, topics and records there. */
import { setTimeout as sleep } from 'node:timers/promises'
import { appendTimes } from '../append-times.js'
import { withDeployment } from '../live-deployment.js'
import { rowOf } from '../result.js'
import type { Part } from '../suite.js'

export const startTime: Part = async (options) => {
  const found: number[] = []
  for (let round = 0; round < options.rounds; round++) {
    found.push(
      await withDeployment(options, async (deployment) => {
        await deployment.stream(1_000, 0.2)
        const startedAt = Date.now()
        deployment.startWorker()
        while ((await deployment.predicted()) === 0) await sleep(50)
        return (await appendTimes(options.kafka, deployment.predictions)).at(0) - startedAt
      }),
    )
    options.onProgress(`  ${found.at(-1)} ms`)
  }
  return [rowOf('start', 'program start to first prediction', found, 'ms')]
}
