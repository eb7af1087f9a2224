/** What Prometheus itself says of the alert rules, of its configuration, of what a worker shows, and of what the dashboard asks. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { createMetrics } from '../../pipeline/metrics.js'
import { expressions } from '../fixtures/dashboard.js'
import { promtool } from '../fixtures/promtool.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'

const rulesFile = 'docker/prometheus/millrace.rules.yaml'

test('promtool takes the alert rules and the configuration', async () => {
  const { groups } = parse(await readFile(rulesFile, 'utf8'))
  const said = await promtool(['check', 'config', 'docker/prometheus/prometheus.yaml'])
  expect(said).toContain(`SUCCESS: ${groups.flatMap(({ rules }: { rules: object[] }) => rules).length} rules found`)
})

test('alerts fire when they should, and not before', async () => {
  expect(await promtool(['test', 'rules', 'docker/prometheus/millrace.rules.test.yaml'])).toContain('SUCCESS')
})

test('a rule with a wrong expression, duration or template is found', async () => {
  const folder = await temporaryDirectory()
  const rules = await readFile(rulesFile, 'utf8')
  for (const [right, wrong] of [
    ['millrace_ready == 0', 'millrace_ready == (0'],
    ['for: 5m', 'for: five minutes'],
    ['$value | humanize }}', '$value | humanise }}'],
  ] as const) {
    expect(rules).toContain(right)
    await writeFile(join(folder, 'wrong.yaml'), rules.replace(right, wrong))
    await expect(promtool(['check', 'rules', join(folder, 'wrong.yaml')]), wrong).rejects.toThrow()
  }
})

test('names, units and helps of the metrics are as Prometheus would have them', async () => {
  const lines = (await createMetrics().text()).split('\n').filter((line) => line.includes('millrace_'))
  expect(lines.length).toBeGreaterThan(50)
  await promtool(['check', 'metrics'], `${lines.join('\n')}\n`)
})

test('Prometheus evaluates every expression: functions get what they are for', async () => {
  const path = join(await temporaryDirectory(), 'expressions.yaml')
  const check = async (texts: readonly string[]) => {
    const recorded = texts.map((expr, index) => ({ record: `expression:${index}`, expr }))
    await writeFile(path, stringify({ groups: [{ name: 'expressions', rules: recorded }] }))
    return promtool(['check', 'rules', path])
  }
  expect(await check(expressions.map(({ text }) => text))).toContain(`${expressions.length} rules found`)
  await expect(check(['rate(millrace_commits_total)'])).rejects.toThrow('expected type range vector')
})
