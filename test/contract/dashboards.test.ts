/** Alert rules and the dashboard name only metrics and labels that a worker has, in expressions that Prometheus can read. */
import { parser } from '@prometheus-io/lezer-promql'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { type MetricEntry, metricTable } from '../../pipeline/metric-table.js'
import { errors, rejects } from '../../stages/errors.js'
import { asked, dashboard, expressions, panels, rules, variables } from '../fixtures/dashboard.js'

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

interface Selector {
  readonly series: string
  readonly to: number
  /** that it is narrowed down by */
  readonly labels: string[]
}

/** The series of an expression with their labels, and the labels that it groups by; throws for one that is none. */
const namesIn = (text: string) => {
  const selectors: Selector[] = []
  const grouping: string[] = []
  parser.parse(text).iterate({
    enter({ name, type, from, to }) {
      const words = text.slice(from, to)
      if (type.isError) throw new Error(`not PromQL at ${from}: ${text}`)
      if (name === 'VectorSelector') selectors.push({ series: /^[\w:]*/.exec(words)![0], to, labels: [] })
      if (name !== 'LabelName') return
      const last = selectors.at(-1)
      if (last && to <= last.to) last.labels.push(words)
      else grouping.push(words)
    },
  })
  return { selectors, grouping }
}

const series = new Map(await processMetrics()).set('up', [])

test.each(expressions)('$where: $text', ({ text }) => {
  const { selectors, grouping } = namesIn(text)
  expect(selectors.length).toBeGreaterThan(0)
  for (const { series: name, labels } of selectors)
    expect(labelsOf(name, series), name).toEqual(expect.arrayContaining(labels))
  const known = selectors.flatMap(({ series: name }) => labelsOf(name, series)!)
  expect(grouping.filter((label) => !known.includes(label))).toEqual([])
})

test('a metric that is none, a label that it has not, and what is no PromQL are found', () => {
  expect(() => namesIn('sum by (x (up)')).toThrow('not PromQL')
  expect(namesIn('sum by (x) (up{a="1"} / on (y) down)')).toMatchObject({
    selectors: [
      { series: 'up', labels: ['a'] },
      { series: 'down', labels: [] },
    ],
    grouping: ['x', 'y'],
  })
  expect(labelsOf('millrace_records_total', new Map())).toBeUndefined()
  expect(labelsOf('millrace_latency_seconds', new Map())).toBeUndefined()
  expect(labelsOf('millrace_ready_count', new Map())).toBeUndefined()
  expect(labelsOf('millrace_ready', new Map())).not.toContain('code')
})

test('legends name labels that are left, and variables are asked for what there is', () => {
  for (const { title, targets = [] } of panels)
    for (const { expr, legendFormat } of targets) {
      const { selectors, grouping } = namesIn(expr.replaceAll('$__rate_interval', '5m'))
      const left = grouping.length > 0 ? grouping : selectors.flatMap(({ series: name }) => labelsOf(name, series)!)
      for (const [, label] of legendFormat.matchAll(/\{\{(.*?)\}\}/g)) expect(left, title).toContain(label)
    }
  expect(asked.length).toBe(2)
  for (const query of asked) {
    const [, selector, label] = /^label_values\((.*), (\w+)\)$/.exec(query)!
    const [{ series: name, labels }] = namesIn(selector!).selectors as [Selector]
    expect(labelsOf(name, series)).toEqual(expect.arrayContaining([...labels, label]))
  }
  const used = JSON.stringify(dashboard).matchAll(/\$\{?(?!__)(\w+)/g)
  const names = variables.map(({ name }) => name)
  expect([...used].filter(([, name]) => !names.includes(name!))).toEqual([])
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
  expect(panels.flatMap(({ panels = [] }) => panels)).toEqual([])
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) => {
    expect(x + w).toBeLessThanOrEqual(24)
    return Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`)
  })
  expect(new Set(cells).size).toBe(cells.length)
})

test('every metric of the table has its place on the dashboard', () => {
  const text = [...expressions.map((one) => one.text), ...asked].join('\n')
  expect(Object.keys(metricTable).filter((name) => !text.includes(name))).toEqual([])
})
