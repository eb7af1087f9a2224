/** What Millrace is to reach, held against what was measured. */
import type { Row } from './result.js'

/** One line of the table: `must` is what counts as good enough, `aim` what is wanted. */
export interface Aim {
  readonly what: string
  readonly unit: string
  readonly must: number
  readonly aim: number
  /** `least`: the figure must not be below these; `most`: not above */
  readonly bound: 'least' | 'most'
  readonly value: number
  readonly reached: 'aim' | 'must' | 'neither'
}

type Find = (part: string, name?: string) => number | undefined
type Goal = Omit<Aim, 'value' | 'reached'> & { readonly of: (find: Find) => number | undefined }

const ratio = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined || other === undefined ? undefined : one / other

const times = (what: string, must: number, aim: number, of: Goal['of']): Goal => ({
  ...{ what, unit: '×', must, aim, bound: 'least', of },
})
const atMost = (what: string, unit: string, must: number, aim: number, of: Goal['of']): Goal => ({
  ...{ what, unit, must, aim, bound: 'most', of },
})
const against =
  (part: string, peer: string): Goal['of'] =>
  (find) =>
    ratio(find(part), find(part, peer))

const goals: readonly Goal[] = [
  times('W1 throughput, steady, to java plain', 1, 1.5, against('w1, steady', 'java plain')),
  times('W1 throughput, steady, to Kafka Streams', 2.5, 2.5, against('w1, steady', 'kafka streams')),
  times('W1 throughput of 2,000,000 records, to java plain', 1, 1.5, against('w1 long, steady', 'java plain')),
  times('W1 throughput of 2,000,000 records, to Kafka Streams', 2.5, 2.5, against('w1 long, steady', 'kafka streams')),
  times('W2 throughput, steady, to java plain', 1, 1.5, against('w2, steady', 'java plain')),
  times('W2 throughput, steady, to python plain', 1, 1.5, against('w2, steady', 'python plain')),
  times('W2 throughput of 400,000 records, to java plain', 1, 1.5, against('w2 long, steady', 'java plain')),
  times('W2 throughput of 400,000 records, to python plain', 1, 1.5, against('w2 long, steady', 'python plain')),
  atMost('W1 CPU seconds per million records', 's', 6, 4, (find) => find('w1, CPU')),
  ...[2_000, 5_000].map((rate) =>
    atMost(`p99 at ${rate}/s, to the best peer`, '×', 1, 0.6, (find) =>
      ratio(find(`latency at ${rate}/s, p99`), find(`latency at ${rate}/s, p99`, 'best')),
    ),
  ),
  ...['w1', 'w2'].map((name) =>
    atMost(`peak memory, ${name.toUpperCase()}`, 'MB', 400, 250, (find) => find(`${name}, peak memory`)),
  ),
  atMost('longest output gap a switch adds', 'ms', 20, 5, (find) => find('switch', 'what a switch adds')),
  atMost('start to first prediction, new bundle', 'ms', 2_000, 1_000, (find) => find('start', 'a bundle that is new')),
  atMost('start to first prediction, known bundle', 'ms', 2_000, 1_000, (find) => find('start', 'one verified before')),
  times('exactly once, W1 steady, to at least once', 0.8, 0.8, (find) =>
    ratio(find('w1 exactly once, steady'), find('w1, steady')),
  ),
  times('exactly once, W1 steady, to Kafka Streams', 3, 3, against('w1 exactly once, steady', 'kafka streams')),
  times('exactly once, W1 steady, to java plain', 0, 1, against('w1 exactly once, steady', 'java plain')),
  times('exactly once, 2,000,000 records, to at least once', 0.8, 0.8, (find) =>
    ratio(find('w1 long exactly once, steady'), find('w1 long, steady')),
  ),
  times(
    'exactly once, 2,000,000 records, to Kafka Streams',
    3,
    3,
    against('w1 long exactly once, steady', 'kafka streams'),
  ),
  times('exactly once, 2,000,000 records, to java plain', 0, 1, against('w1 long exactly once, steady', 'java plain')),
  atMost('exactly once, p99 at 5000/s, to Kafka Streams', '×', 1, 1, (find) =>
    ratio(find('latency at 5000/s exactly once, p99'), find('latency at 5000/s exactly once, p99', 'kafka streams')),
  ),
]

/** Of the goals, those of which the rows say something. `best` in place of a peer's name is the one the ratios are to. */
export const aimsOf = (rows: readonly Row[]): Aim[] => {
  const find: Find = (part, name = 'millrace') => {
    const own = rows.filter((row) => row.part === part)
    const row = own.find((one) => one.name === (name === 'best' ? own[0]?.against : name))
    return row && Number.isFinite(row.value) ? row.value : undefined
  }
  return goals.flatMap(({ of, ...goal }) => {
    const value = of(find)
    return value === undefined ? [] : [{ ...goal, value: Number(value.toPrecision(3)), reached: reached(goal, value) }]
  })
}

const reached = ({ must, aim, bound }: Omit<Goal, 'of'>, value: number): Aim['reached'] => {
  const keeps = (limit: number) => (bound === 'least' ? value >= limit : value <= limit)
  return keeps(aim) ? 'aim' : keeps(must) ? 'must' : 'neither'
}
