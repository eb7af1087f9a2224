/**
 * A thousand switches in a row under load, in one worker: memory, handles and threads have to end where they were.
 *
 *   npm run soak:switches -- --switches 1000 --rate 2000 --brokers 127.0.0.1:9092 --registry http://127.0.0.1:8081
 *
 * Brokers and registry also come from MILLRACE_BROKERS and MILLRACE_REGISTRY, as `millrace stack` prints them. The oldest records
 * are deleted at every look, as retention does it. Ends with 1 when something grew.
 */
import { parseArgs } from 'node:util'
import { grown, soakSwitches } from './soak-run.js'

const { values } = parseArgs({
  options: {
    switches: { type: 'string', default: '1000' },
    every: { type: 'string', default: '100' },
    rate: { type: 'string', default: '2000' },
    brokers: { type: 'string', default: process.env.MILLRACE_BROKERS },
    registry: { type: 'string', default: process.env.MILLRACE_REGISTRY },
  },
})
const { brokers, registry } = values
if (!brokers || !registry) throw new Error('which Kafka? --brokers and --registry, or run `millrace stack`')
const switches = Number(values.switches)

const { rows, seconds, threadDeaths } = await soakSwitches({
  ...{ brokers, registry, switches },
  every: Number(values.every),
  recordsPerSecond: Number(values.rate),
  onRow: (row) => console.log(JSON.stringify(row)),
})
console.table(rows)
console.log(`${switches} switches in ${seconds.toFixed(0)} s, ${threadDeaths} threads died`)
const more = grown(rows)
if (more.length > 0) console.log(`grew: ${more.join(', ')}`)
process.exitCode = more.length > 0 ? 1 : 0
