/**
 * The benchmark suite: `npm run bench`. Prints one table; leaves figures and a chart in test/bench/results.
 *
 *   npm run bench                                     every part on a broker of its own
 *   npm run bench -- --only inference,stages          some of them
 *   npm run bench -- --smoke                          only whether it runs
 *   npm run bench -- --peers DIR                      the built peers and Millrace, in alternating rounds
 *   npm run bench -- --scale backlog|partitions|record-size|model-size|workers [--records N]
 *
 * On a running Kafka: MILLRACE_BROKERS and MILLRACE_REGISTRY (the peers want a fresh one: they know schema 1 only).
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { chart } from './chart.js'
import { describeMachine, machineText } from './machine.js'
import { comparePeers, usualApplications } from './peers.js'
import { type Row, text } from './result.js'
import { measureScale } from './scale.js'
import { parts, runParts, withPlace } from './suite.js'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    smoke: { type: 'boolean', default: false },
    peers: { type: 'string' },
    rows: { type: 'string', default: 'w1,w2,latency' },
    seconds: { type: 'string', default: '10' },
    scale: { type: 'string' },
    records: { type: 'string', default: '10000000' },
    rounds: { type: 'string', default: '3' },
    out: { type: 'string', default: 'test/bench/results' },
  },
})
const rounds = values.smoke ? 1 : Number(values.rounds)
const onProgress = (line: string) => console.error(line)

const measure = async (): Promise<{ name: string; rows: Row[]; runs?: object[] }> => {
  const wanted = { brokers: process.env.MILLRACE_BROKERS, registry: process.env.MILLRACE_REGISTRY }
  if (values.peers)
    return withPlace(wanted, onProgress, async (place) => ({
      name: 'peers',
      ...(await comparePeers({
        ...{ ...place, rounds, onProgress, directory: resolve(values.peers!), applications: usualApplications },
        ...{ rows: values.rows.split(','), latencySeconds: Number(values.seconds) },
      })),
    }))
  if (values.scale)
    return withPlace(wanted, onProgress, async (place) => ({
      name: `scale-${values.scale}`,
      rows: await measureScale(values.scale!, { ...place, rounds, onProgress, records: Number(values.records) }),
    }))
  const names = values.only?.split(',') ?? Object.keys(parts)
  return withPlace(wanted, onProgress, async (place) => ({
    name: values.only ? `parts-${names.join('-')}` : 'suite',
    rows: await runParts(names, { ...place, smoke: values.smoke, rounds, onProgress }),
  }))
}

const machine = await describeMachine()
const { name, rows, runs } = await measure()

const table = new Table({
  head: ['part', 'what', 'median', 'unit', 'least … most', 'ratio', ''],
  style: { head: [], border: [] },
  colAligns: ['left', 'left', 'right', 'left', 'left', 'right', 'left'],
})
for (const { part, name: what, value, unit, least, most, ratio, against, note } of rows) {
  const spread = least === undefined || most === undefined ? '' : `${text(least)} … ${text(most)}`
  table.push([part, what, text(value), unit, spread, ratio?.toPrecision(3) ?? '', note ?? (against && `of ${against}`)])
}
console.log(table.toString())
console.log(machineText(machine))

if (!values.smoke) {
  const command =
    `npm run bench${['', ...process.argv.slice(2)].join(' ').replaceAll(values.peers ?? '\0', 'DIR')}`.trim()
  await mkdir(values.out, { recursive: true })
  const file = (ending: string) => join(values.out, `${name}.${ending}`)
  const results = { command, measuredAt: new Date().toISOString(), machine, rows, ...(runs && { runs }) }
  await writeFile(file('json'), `${JSON.stringify(results, undefined, 2)}\n`)
  await writeFile(file('svg'), chart(`Millrace: ${name}`, rows, `${command} · ${machineText(machine)}`))
}
