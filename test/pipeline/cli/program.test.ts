import { PassThrough } from 'node:stream'
import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { createProgram } from '../../../pipeline/cli/program.js'
import { millrace } from '../../fixtures/cli.js'

const commandsOf = (command: Command): Command[] =>
  command.commands.length === 0 ? [command] : command.commands.flatMap(commandsOf)

const nameOf = (command: Command): string =>
  command.parent ? `${nameOf(command.parent)} ${command.name()}` : command.name()

const program = (stdout = new PassThrough()) =>
  createProgram({
    environment: {},
    stdin: new PassThrough(),
    stdout,
    stderr: new PassThrough(),
    signal: new AbortController().signal,
  })

test('every command has a description and examples of itself in its help', async () => {
  const stdout = new PassThrough()
  for (const command of commandsOf(await program(stdout))) {
    command.outputHelp()
    const help = String(stdout.read())
    expect(help, nameOf(command)).toContain(`Usage: ${nameOf(command)}`)
    expect(help, nameOf(command)).toMatch(new RegExp(`Examples:\n  # .+\n  \\$ .*${nameOf(command)}`))
    expect(command.description().length, nameOf(command)).toBeGreaterThan(40)
    expect(command.summary(), nameOf(command)).not.toBe('')
  }
})

test('no option of a command hides one that every command has', async () => {
  const common = (await program()).options.map(({ long }) => long)
  for (const command of commandsOf(await program()))
    for (const { long } of command.options) expect(common, nameOf(command)).not.toContain(long)
})

test('without arguments it explains itself, and that is no failure', async () => {
  const { code, stdout } = await millrace([])
  expect([code, stdout]).toEqual([0, expect.stringContaining('A first walk')])
})

test.each([
  [['stakc'], "unknown command 'stakc'; did you mean stack?"],
  [['topics', 'create', '--partition', '3'], "unknown option '--partition'; did you mean --partitions?"],
  [['topics', 'create', '--partitions', 'many'], 'It must be a whole number from 1 to 10000.'],
  [['topics', 'create', '--deployment', 'd', '--set', 'batch.maxRecord=1'], 'did you mean batch.maxRecords?'],
  [['topics', 'create'], 'deployment is not set: give --deployment NAME, MILLRACE_DEPLOYMENT or a line in the file.'],
])('misuse is one line and exit code 2: %s', async (args, line) => {
  const { code, stdout, stderr } = await millrace(args)
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toMatch(/^millrace: [^\n]+\n$/)
  expect(stderr).toContain(line)
})

test('a failure is one line and exit code 1; with --json it is JSON; with --verbose its stack comes along', async () => {
  const args = ['topics', 'create', '--deployment', 'd', '--brokers', '127.0.0.1:1']
  const plain = await millrace(args)
  expect([plain.code, plain.stdout]).toEqual([1, ''])
  expect(plain.stderr).toMatch(
    /^millrace: Kafka cannot be reached: .*127\.0\.0\.1:1\. Check the address and that the broker is up\.\n$/,
  )
  const json = await millrace(['--json', ...args])
  expect(json.code).toBe(1)
  expect(JSON.parse(json.stderr)).toEqual({
    error: {
      code: 'broker-unreachable',
      message: 'Kafka cannot be reached',
      detail: expect.stringContaining('127.0.0.1:1'),
      remedy: 'check the address and that the broker is up',
    },
  })
  expect((await millrace([...args, '--verbose'])).stderr).toMatch(/\n {4}at /)
})
