import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { millrace, millraceJson } from '../../fixtures/cli.js'
import { temporaryDirectory } from '../../fixtures/stack-programs.js'

const bundle = resolve('models/bundles/digits@1.tar.gz')

test('a profile says what a model costs and what it can be given, and a simulation of it which records come in time', async () => {
  const directory = await temporaryDirectory()
  const quick = ['profile', bundle, '--sizes', '1,64', '--measure-ms', '20']
  expect((await millrace(quick)).stdout).toMatch(/firm, budgetMs [\d.]+, perRecords 64[\s\S]*hard it cannot/)
  const profile = await millraceJson<{ table: { rows: number; p50Ms: number; p99Ms: number }[] }>(quick)
  expect(profile.table.map(({ rows }) => rows)).toEqual([1, 64])
  for (const { p50Ms, p99Ms } of profile.table) expect(p99Ms).toBeGreaterThanOrEqual(p50Ms)

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
})

test('what is no profile or no trace is told where', async () => {
  const directory = await temporaryDirectory()
  await writeFile(join(directory, 'profile.json'), '{"table":[{"rows":1,"p50Ms":1,"p99Ms":1}]}')
  await writeFile(join(directory, 'trace.jsonl'), '{"at":0,"partition":0}\n{"at":"soon"}\n')
  const { code, stderr } = await millrace(['simulate', '--profile', 'profile.json', '--trace', 'trace.jsonl'], {
    directory,
  })
  expect([code, stderr]).toEqual([1, expect.stringContaining('trace.jsonl:2: at:')])
})

test('a simulation asks for times that can be', async () => {
  for (const wrong of ['soon', '-1'])
    expect(await millrace(['simulate', '--profile', 'profile.json', '--after-ms', wrong])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('It must be a number from 0'),
    })
})
