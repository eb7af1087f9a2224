/** Alert rules and the dashboard name only metrics and labels that a worker has, in expressions that Prometheus can read. */
import { readFileSync } from 'node:fs'
import { parser } from '@prometheus-io/lezer-promql'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { type MetricEntry, metricTable } from '../../pipeline/metric-table.js'
import { errors, rejects } from '../../stages/errors.js'

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: readonly { readonly expr: string }[]
}
interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: object
  readonly annotations: { readonly summary: string; readonly description: string }
}

const dashboard = JSON.parse(readFileSync('docker/grafana/dashboards/millrace.json', 'utf8'))
const panels: readonly Panel[] = dashboard.panels
const rules: readonly Rule[] = parse(readFileSync('docker/prometheus/millrace.rules.yaml', 'utf8')).groups.flatMap(
  (group: { rules: Rule[] }) => group.rules,
)
const variables: readonly { name: string; query: string | { query: string } }[] = dashboard.templating.list

const expressions = [
  ...rules.map(({ alert, expr }) => [alert, expr] as const),
  ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const)),
  ...dashboard.annotations.list.map(({ name, expr }: { name: string; expr: string }) => [name, expr] as const),
].map(([where, text]) => ({ where, text: text.replaceAll('$__rate_interval', '5m') }))

const processMetrics = async (): Promise<ReadonlyMap<string, readonly string[]>> => {
  const register = new Registry()
  collectDefaultMetrics({ register })
  return new Map((await register.getMetricsAsJSON()).map(({ name }) => [name, []]))
}

/** What may be asked of a series: its own labels, and those that Prometheus adds. */
const labelsOf = (name: string, others: ReadonlyMap<string, readonly string[]>): readonly string[] | undefined => {
  const histogram = name.replace(/_(bucket|sum|count)$/, '')
  const entries: Readonly<Record<string, MetricEntry>> = metricTable
  const entry = entries[name]?.type === 'histogram' ? undefined : (entries[name] ?? entries[histogram])
  if (name !== histogram && entry && entry.type !== 'histogram') return undefined
  const own = entry?.labels ?? others.get(name)
  return own && [...own, 'instance', 'job', ...(name.endsWith('_bucket') ? ['le'] : [])]
}

/** The names of series and labels of an expression; throws for one that is none. */
const namesIn = (text: string) => {
  const series: string[] = []
  const labels: string[] = []
  parser.parse(text).iterate({
    enter({ name, type, from, to }) {
      if (type.isError) throw new Error(`not PromQL at ${from}: ${text}`)
      if (name === 'VectorSelector') series.push(/^[\w:]*/.exec(text.slice(from, to))![0])
      if (name === 'LabelName') labels.push(text.slice(from, to))
    },
  })
  return { series, labels }
}

test.each(expressions)('$where: $text', async ({ text }) => {
  const others = new Map(await processMetrics()).set('up', [])
  const { series, labels } = namesIn(text)
  expect(series.length).toBeGreaterThan(0)
  for (const name of series) expect(labelsOf(name, others), name).toBeDefined()
  const known = new Set(series.flatMap((name) => labelsOf(name, others)!))
  expect(labels.filter((label) => !known.has(label))).toEqual([])
})

test('a metric that is none, a label that it has not, and what is no PromQL are found', () => {
  expect(() => namesIn('sum by (x (up)')).toThrow('not PromQL')
  expect(labelsOf('millrace_records_total', new Map())).toBeUndefined()
  expect(labelsOf('millrace_latency_seconds', new Map())).toBeUndefined()
  expect(labelsOf('millrace_ready_count', new Map())).toBeUndefined()
  expect(labelsOf('millrace_ready', new Map())).not.toContain('code')
})

test('codes that rules name are those of the error table', () => {
  const codes = rules.flatMap(({ expr }) => [...expr.matchAll(/code="([^"]+)"/g)].map(([, code]) => code!))
  expect(codes.filter((code) => !(code in errors) && !(code in rejects))).toEqual([])
})

test('every alert has a name of its own, says what is wrong and what to do', () => {
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
  for (const { alert, labels, annotations } of rules) {
    expect(alert).toMatch(/^Millrace[A-Z]/)
    expect(labels).toHaveProperty('severity')
    expect(Object.values(annotations).every((text) => text.length > 10)).toBe(true)
  }
})

test('panels have numbers of their own and do not lie over one another', () => {
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) => {
    expect(x + w).toBeLessThanOrEqual(24)
    return Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`)
  })
  expect(new Set(cells).size).toBe(cells.length)
})

test('every metric of the table has its place on the dashboard', () => {
  const text =
    expressions.map((one) => one.text).join('\n') + variables.map(({ query }) => JSON.stringify(query)).join()
  expect(Object.keys(metricTable).filter((name) => !text.includes(name))).toEqual([])
})
