import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { budgetRules, type StatedBudgets, stageBudget } from '../../../pipeline/model/stage-budget.js'
import { millrace, millraceJson } from '../../fixtures/cli.js'
import { temporaryDirectory } from '../../fixtures/stack-programs.js'

const bundle = resolve('models/bundles/digits@1.tar.gz')

interface Profile {
  table: { rows: number; p50Ms: number; p99Ms: number; stages: { inference: { keptMs: number } } }[]
  stages: { inference: { class: string; budgetMs: Record<string, number> } }
}

const quick = ['profile', bundle, '--sizes', '1,64', '--measure-ms', '20']

test('a profile says what a model costs, and what its bundle can state of it', async () => {
  const directory = await temporaryDirectory()
  const said = await millrace([...quick, '--svg', 'cost.svg'], { directory })
  expect(said.stdout).toMatch(
    /digits@1[\s\S]+inference p99[\s\S]+█[\s\S]+"stages": \{"inference"[\s\S]+hard cannot be given/,
  )
  expect(await readFile(join(directory, 'cost.svg'), 'utf8')).toMatch(
    /^<svg [\s\S]+digits@1[\s\S]+<polyline[\s\S]+<\/svg>\n$/,
  )

  const { table, stages } = await millraceJson<Profile>(quick)
  expect(table.map(({ rows }) => rows)).toEqual([1, 64])
  for (const row of table) {
    expect(row.p99Ms).toBeGreaterThanOrEqual(row.p50Ms)
    // Stated with something to spare, and as a manifest takes it.
    expect(stages.inference.budgetMs[row.rows]).toBeGreaterThan(row.stages.inference.keptMs)
  }
  expect(stageBudget.safeParse(stages.inference).error).toBeUndefined()
  expect([...budgetRules(stages as StatedBudgets)]).toEqual([])
})

test('firm is said of what was run often enough to tell, soft of the rest', async () => {
  const classOf = async (missRatio: string) =>
    (await millraceJson<Profile>(['profile', bundle, '--sizes', '1', '--measure-ms', '1', '--miss-ratio', missRatio]))
      .stages.inference.class
  expect([await classOf('0.9'), await classOf('0.000001')]).toEqual(['firm', 'soft'])
})

test('a worker that is asked for a hard deadline refuses, with the firm one that its model can keep', async () => {
  const settings = ['--deployment', 'd', '--model', 'digits@1', '--bundles', resolve('models/bundles')]
  // Not even a firm one could be as short as that.
  const hard = ['deadline.class=hard', 'deadline.ms=50', 'batch.maxRecords=64', 'delivery=exactly-once']
  const { code, stderr } = await millrace(['run', ...settings, ...hard.flatMap((one) => ['--set', one])])
  expect(code).toBe(2)
  expect(stderr).toMatch(
    /hard cannot be promised.*ask for firm.*digits@1 can keep a firm one from \d+ ms on for batches of 1 \(p99 [\d.]+ \+ batch.maxDelayMs 1 \+ transactionIntervalMs 100\), from \d+ ms on for batches of 64/,
  )
})

test('a simulation says which records come in time', async () => {
  const directory = await temporaryDirectory()
  // A model of a known cost: 10 ms a batch, whatever its size.
  const table = [1, 64].map((rows) => ({ rows, p50Ms: 10, p99Ms: 10 }))
  await writeFile(join(directory, 'profile.json'), JSON.stringify({ table }))
  await writeFile(
    join(directory, 'trace.jsonl'),
    '{"at":0,"partition":0}\n{"at":5,"partition":1,"deadlineMs":20}\n\n{"at":5,"partition":2,"deadlineMs":8}\n',
  )
  const options = ['--profile', 'profile.json', '--trace', 'trace.jsonl', '--after-ms', '0', '--max-records', '64']
  const said = await millraceJson(['simulate', ...options, '--deadline-ms', '50'], { directory })
  expect(said).toMatchObject({ records: 3, inTime: 2, dropped: 1, withheld: 0, late: 0 })
  const soft = await millraceJson(['simulate', ...options, '--deadline-ms', '50', '--class', 'soft'], { directory })
  expect(soft).toMatchObject({ records: 3, dropped: 0, withheld: 0, late: 1 })

  // A fallback that takes a tenth has what the model cannot have ready.
  const faster = table.map(({ rows }) => ({ rows, p50Ms: 1, p99Ms: 1 }))
  await writeFile(join(directory, 'small.json'), JSON.stringify({ table: faster }))
  const both = await millraceJson(['simulate', ...options, '--deadline-ms', '50', '--fallback', 'small.json'], {
    directory,
  })
  expect(both).toMatchObject({ records: 3, inTime: 3, byFallback: 1, dropped: 0 })

  const { stdout } = await millrace(['simulate', ...options, '--fallback', 'small.json'], { directory })
  expect(stdout).toMatch(
    /records +3\nin time +3 \(100 %\); .*\n +1 \(33.3 %\) by the fallback\nlate +0 \(0 %\).*\ndropped +0 \(0 %\).*\nwithheld +0 \(0 %\)/,
  )
})

test('what is no profile or no trace is told where', async () => {
  const directory = await temporaryDirectory()
  await writeFile(join(directory, 'profile.json'), '{"table":[{"rows":1,"p50Ms":1,"p99Ms":1}]}')
  await writeFile(join(directory, 'trace.jsonl'), '{"at":0,"partition":0}\n{"at":"soon"}\n')
  await writeFile(join(directory, 'bundle.json'), '{"name":"digits"}')
  await writeFile(join(directory, 'cost.svg'), '<svg/>')
  const said = async (...args: readonly string[]) => {
    const { code, stderr } = await millrace(['simulate', ...args], { directory })
    expect(code).toBe(1)
    return stderr
  }
  expect(await said('--profile', 'profile.json', '--trace', 'trace.jsonl')).toContain('trace.jsonl:2: at:')
  for (const [file, why] of [
    ['bundle.json', 'table: '],
    ['cost.svg', 'it is not JSON'],
  ] as const) {
    const stderr = await said('--profile', file)
    expect(stderr).toContain(`the file is no profile of a bundle: ${file}: ${why}`)
    expect(stderr).toContain('Write one: `millrace profile BUNDLE --json > FILE`')
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  }
})

test('a simulation asks for times that can be, and either for a trace or for a rate', async () => {
  const both = await millrace(['simulate', '--profile', 'profile.json', '--trace', 'trace.jsonl', '--rate', '5'])
  expect([both.code, both.stderr]).toEqual([
    2,
    expect.stringMatching(/'--rate <number>' cannot be used with .*'--trace/),
  ])
  for (const wrong of ['soon', '-1'])
    expect(await millrace(['simulate', '--profile', 'profile.json', '--after-ms', wrong])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('It must be a number from 0'),
    })
})
