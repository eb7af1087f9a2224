/** The benchmark suite: `npm run bench`. Prints tables; leaves figures, a chart and the tables of the documents. */
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type Aim, aimsOf } from './aims.js'
import { describeMachine, machineText } from './machine.js'
import { comparePeers, contestsOf } from './peers.js'
import { aimTable, rowTable } from './print.js'
import type { Row } from './result.js'
import { committed, drawCharts, save } from './results.js'
import { measureScale, scales } from './scale.js'
import { type Place, parts, runParts, withPlace } from './suite.js'

const help = `
  npm run bench                                 ceilings, stages alone, the pipe without and with a broker, start, switch
  npm run bench -- --only inference,stages      some of them: ${Object.keys(parts).join(', ')}
  npm run bench -- --peers DIR                  Millrace and the peers that are built in DIR in alternating rounds, start and
                                                switch, held against what is to be reached; some of it: --rows w1,w2,latency,eos,own
  npm run bench -- --scale NAME                 how cost grows with ${Object.keys(scales).join(', ')}
  npm run bench -- --all --peers DIR            all of these one after the other
  npm run bench -- --chart                      the chart and the tables of the documents anew, from the figures that are there

  --rounds N      medians are of so many rounds; 3
  --seconds N     measured stretch of a run at a steady rate; 8
  --records N     the largest backlog of --scale; 10,000,000
  --short         one round, a tenth of the records; for a look: nothing that is committed is written
  --smoke         only whether it runs
  --out DIR       where figures and chart go; ${committed}

Each has a Kafka and a registry of its own. On others: MILLRACE_BROKERS and MILLRACE_REGISTRY (with --peers a registry that is fresh: they
know schema 1 only).

The figures of the documents, on a machine that does nothing else (about three quarters of an hour on two cores):

  bash DIR_OF_PEERS/setup.sh DIR --python       once; see the SPEC.md there
  npm run bench -- --all --peers DIR
  git add ${committed} README.md pipeline/docs
`

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    smoke: { type: 'boolean', default: false },
    peers: { type: 'string' },
    rows: { type: 'string', default: 'w1,w2,latency,eos,own' },
    seconds: { type: 'string', default: '8' },
    scale: { type: 'string' },
    records: { type: 'string' },
    rounds: { type: 'string' },
    out: { type: 'string' },
    all: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    chart: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const { smoke, short } = values
const rounds = Number(values.rounds ?? (smoke || short ? 1 : 3))
const records = Number(values.records ?? (short ? 1_000_000 : 10_000_000))
const out = values.out ?? (short ? 'dist/bench' : committed)
const onProgress = (line: string) => console.error(line)

interface Found {
  readonly rows: Row[]
  readonly runs?: object[]
  readonly aims?: Aim[]
}

/** Start and switch: what is said of Millrace alone beside the comparison. */
const own = 'own'

const comparison = async (place: Place): Promise<Found> => {
  const wanted = values.rows.split(',')
  const contests = contestsOf(wanted.filter((name) => name !== own))
  const directory = resolve(values.peers!)
  const { rows, runs } = await comparePeers({
    ...{ ...place, rounds, onProgress, directory, contests, latencySeconds: Number(values.seconds) },
  })
  if (wanted.includes(own)) rows.push(...(await runParts(['start', 'switch'], { ...place, smoke, rounds, onProgress })))
  return { rows, runs, aims: aimsOf(rows) }
}

const scaleOf =
  (name: string) =>
  async (place: Place): Promise<Found> => ({
    rows: await measureScale(name, { ...place, rounds, onProgress, records }),
  })

const suiteOf =
  (names: readonly string[]) =>
  async (place: Place): Promise<Found> => ({ rows: await runParts(names, { ...place, smoke, rounds, onProgress }) })

const chosen = (): Record<string, (place: Place) => Promise<Found>> => {
  if (values.all)
    return {
      suite: suiteOf(Object.keys(parts)),
      ...(values.peers && { peers: comparison }),
      ...Object.fromEntries(Object.keys(scales).map((name) => [`scale-${name}`, scaleOf(name)])),
    }
  if (values.chart) return {}
  if (values.peers) return { peers: comparison }
  if (values.scale) return { [`scale-${values.scale}`]: scaleOf(values.scale) }
  return values.only
    ? { [`parts-${values.only.replaceAll(',', '-')}`]: suiteOf(values.only.split(',')) }
    : { suite: suiteOf(Object.keys(parts)) }
}

const run = async (name: string, measure: (place: Place) => Promise<Found>): Promise<void> => {
  const machine = await describeMachine()
  const wanted = { brokers: process.env.MILLRACE_BROKERS, registry: process.env.MILLRACE_REGISTRY }
  const { rows, runs, aims } = await withPlace(wanted, onProgress, measure)
  console.log(rowTable(rows))
  if (aims && aims.length > 0) console.log(aimTable(aims))
  console.log(machineText(machine))
  if (smoke) return
  const given = process.argv.slice(2).map((one) => (one === values.peers ? 'DIR' : one))
  const command = ['npm run bench', ...(given.length > 0 ? ['--', ...given] : [])].join(' ')
  await save(out, name, { command, measuredAt: new Date().toISOString(), machine, rows, aims, runs })
}

if (values.help) console.log(help)
else {
  // One that fails does not take along what comes after it.
  for (const [name, measure] of Object.entries(chosen()))
    await run(name, measure).catch((error) => {
      console.error(`${name} failed:`, error)
      process.exitCode = 1
    })
  if (!smoke) await drawCharts(out)
}
