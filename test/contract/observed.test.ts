/** What can be observed is bounded, and is all in the tables that the docs print. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eventTable, levelOf } from '../../pipeline/event-table.js'
import { type MetricEntry, metricTable } from '../../pipeline/metric-table.js'

const sources = readdirSync('pipeline', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !/^(cli|dashboard|kafka)\//.test(name))
  .map((name) => readFileSync(join('pipeline', name), 'utf8'))

test('every event that is said is in the table', () => {
  const said = sources.flatMap((text) =>
    [...text.matchAll(/(?:emit|onEvent)\(\{[^}]*?\btype: '([a-z-]+)'/g)].map(([, type]) => type!),
  )
  expect(said.length).toBeGreaterThan(10)
  expect(said.filter((type) => !Object.hasOwn(eventTable, type))).toEqual([])
})

test('an event of another release is logged too', () => {
  expect([levelOf('failed'), levelOf('of-another-release'), levelOf('constructor')]).toEqual(['error', 'info', 'info'])
})

/** What a label may say: sets that the sources fix, and partitions and bundles, of which a worker has few. */
const labels = [
  'deployment',
  'worker',
  'node',
  'part',
  'state',
  'kind',
  'code',
  'partition',
  'closed_by',
  'stage',
  'queue',
]
const more = ['rows', 'model', 'result', 'of', 'class']

test('no label of a metric holds what flows through a worker: keys, offsets, values', () => {
  const all = new Set(Object.values<MetricEntry>(metricTable).flatMap((entry) => entry.labels))
  expect([...all].filter((label) => ![...labels, ...more].includes(label))).toEqual([])
})

test('names say their units, as Prometheus wants them', () => {
  for (const [name, { type, unit }] of Object.entries<MetricEntry>(metricTable)) {
    expect(name).toMatch(/^millrace_[a-z_]+$/)
    expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter'])
    if (unit === 'seconds') expect(name).toMatch(/_seconds(_total)?$/)
    if (unit === 'bytes') expect(name).toMatch(/_bytes(_total)?$/)
  }
})
