/** What `npm run demo` promises, on the broker of the tests: everything flows, three models take turns, nothing is missing. */
import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { withAdmin } from '../../pipeline/kafka/admin.js'
import { millrace, startMillrace } from '../fixtures/cli.js'
import { testKafka } from '../fixtures/kafka.js'

const figure = (stdout: string, name: string): number => {
  const [, digits] = new RegExp(`^${name} +([\\d,]+)$`, 'm').exec(stdout) ?? []
  return Number(digits?.replaceAll(',', ''))
}

const commandLines = (): string => execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })

test('every record gets its prediction while the model is switched twice, and the figures say so', async () => {
  const { code, stdout, stderr } = await millrace(['demo', '--once', '--no-tty', '--seconds', '6'])
  expect({ code, stderr }).toMatchObject({ code: 0 })
  const recordsIn = figure(stdout, 'records in')
  expect(recordsIn).toBeGreaterThan(300)
  expect(figure(stdout, 'predictions out')).toBe(recordsIn)
  expect([figure(stdout, 'missing'), figure(stdout, 'duplicates')]).toEqual([0, 0])
  for (const generation of [1, 2, 3]) expect(stdout).toContain(`digits@${generation}, generation ${generation}`)
  for (const line of [/^digits@1 → digits@2 +1 /m, /^digits@2 → digits@3 +1 /m, /^without a switch +\d/m])
    expect(stdout).toMatch(line)
  for (const model of ['digits@1', 'digits@2', 'digits@3'])
    expect(stdout).toMatch(new RegExp(`^${model} +[\\d,]+ +[\\d,]+ +([89]\\d\\.\\d|100\\.0) %$`, 'm'))
  expect(stdout).toContain('{"action":"SWITCH","model":"digits@2"}')
})

test('Ctrl-C ends it in order, exactly once too: what flows is finished, the workers are gone, the topics too', async () => {
  const running = startMillrace(['demo', '--no-tty', '--seconds', '600', '--set', 'delivery=exactly-once'])
  const stdout = await running.printed(/accuracy \d/)
  const [, address] = /the page: (http:\S+)/.exec(await running.printed(/the page: \S+\n/, 'stderr')) ?? []
  expect(await (await fetch(address!)).text()).toContain('<title>Millrace</title>')
  const [, deployment] = /(demo-[0-9a-f]+)\.input/.exec(stdout) ?? []
  expect(commandLines()).toContain(deployment)
  const { code, stdout: all } = await running.interrupt()
  expect(code).toBe(0)
  expect(figure(all, 'missing')).toBe(0)
  expect(commandLines()).not.toContain(deployment)
  // The broker shows a topic for a moment after it has agreed to delete it.
  await expect
    .poll(() => withAdmin(testKafka(), (admin) => admin.listTopics()))
    .not.toContainEqual(expect.stringMatching(`^${deployment}\\.`))
})
