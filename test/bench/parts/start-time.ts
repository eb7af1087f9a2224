/** From the start of the program to its first prediction, with broker, topics and records there. */
import { appendTimes } from '../append-times.js'
import { end, usage } from '../application.js'
import { withDeployment } from '../live-deployment.js'
import { rowOf } from '../result.js'
import type { Part } from '../suite.js'

export const startTime: Part = async (options) => {
  const found: { readonly fresh: number; readonly known: number | undefined }[] = []
  for (let round = 0; round < options.rounds; round++) {
    const times = await withDeployment(options, async (deployment) => {
      const start = async () => {
        await deployment.stream(1_000, 0.2)
        const startedAt = Date.now()
        const worker = deployment.startWorker()
        await deployment.allPredicted()
        const { cpuSeconds, peakMb } = usage(worker.pid!)
        options.onProgress(`  ${cpuSeconds} CPU seconds, ${peakMb} MB`)
        await end(worker)
        const { moments } = await appendTimes(options.kafka, deployment.predictions)
        return moments.find((at) => at >= startedAt)! - startedAt
      }
      // The first start tries the bundle in a process of its own; what passed is known to the second.
      return { fresh: await start(), known: options.smoke ? undefined : await start() }
    })
    found.push(times)
    options.onProgress(`  ${JSON.stringify(times)}`)
  }
  const row = (name: string, values: number[]) =>
    rowOf('start', name, values, 'ms', { note: 'to the first prediction' })
  const fresh = row(
    'a bundle that is new',
    found.map((one) => one.fresh),
  )
  const known = found.flatMap((one) => one.known ?? [])
  return known.length === 0 ? [fresh] : [fresh, row('one verified before', known)]
}
