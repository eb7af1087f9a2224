/** What Millrace and the peers are compared in, and by whom: of each contest the peers that are worth its time. */
import type { workloads } from './models.js'

export interface Contest {
  /** what its rows are called, before the comma */
  readonly title: string
  readonly workload: keyof typeof workloads
  /** records of a backlog, or records a second */
  readonly load: { readonly records: number } | { readonly perSecond: number }
  readonly exactlyOnce: boolean
  readonly applications: readonly string[]
}

const throughput = (workload: keyof typeof workloads, records: number, applications: readonly string[]): Contest => ({
  ...{ title: workload, workload, load: { records }, exactlyOnce: false, applications },
})

const latency = (perSecond: number): Contest => ({
  ...{ title: `latency at ${perSecond}/s`, workload: 'w1', load: { perSecond }, exactlyOnce: false },
  applications: ['java plain', 'kafka streams', 'python plain'],
})

/** The rows of `--rows`. */
export const contests: Readonly<Record<string, readonly Contest[]>> = {
  w1: [
    throughput('w1', 500_000, ['java plain', 'kafka streams', 'python plain']),
    // Of the one above, half a second is over before anything is compiled: how fast is it then?
    { ...throughput('w1', 2_000_000, ['java plain', 'kafka streams']), title: 'w1 long' },
  ],
  w2: [
    throughput('w2', 60_000, ['java plain', 'python plain']),
    // The whole of the one above fits into what some clients fetch ahead: how long is a rate kept?
    { ...throughput('w2', 400_000, ['java plain', 'python plain']), title: 'w2 long' },
  ],
  latency: [latency(2_000), latency(5_000)],
  eos: [
    {
      ...throughput('w1', 500_000, ['java plain', 'kafka streams']),
      ...{ title: 'w1 exactly once', exactlyOnce: true },
    },
    {
      ...throughput('w1', 2_000_000, ['java plain', 'kafka streams']),
      ...{ title: 'w1 long exactly once', exactlyOnce: true },
    },
    {
      ...latency(5_000),
      ...{ title: 'latency at 5000/s exactly once', exactlyOnce: true, applications: ['kafka streams'] },
    },
  ],
}

/** Where the peers have each application. */
export const scripts: Readonly<Record<string, string>> = {
  'java plain': 'java/run-plain.sh',
  'kafka streams': 'java/run-ks.sh',
  'kafka streams, batches': 'java/run-ks-batch.sh',
  'python plain': 'python/run-plain.sh',
  quix: 'python/run-quix.sh',
  bytewax: 'python/run-bytewax.sh',
  faust: 'python/run-faust.sh',
}
