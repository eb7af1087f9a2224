import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type GuardedOptions, spawnGuarded } from '../../../docker/guardian.js'
import { runs, temporaryDirectory } from '../../fixtures/stack-programs.js'

async function guard(script: string, more: Partial<GuardedOptions> = {}) {
  const directory = await temporaryDirectory()
  const logFile = join(directory, 'log')
  const process = await spawnGuarded({
    command: 'sh',
    arguments: ['-c', script],
    directory,
    logFile,
    graceSeconds: 1,
    ...more,
  })
  onTestFinished(() => process.stop())
  return { process, log: () => readFile(logFile, 'utf8') }
}

const gone = (pid: number) => expect.poll(() => runs(pid)).toBe(false)

describe('a guarded program', () => {
  test('that ends by itself tells its code, and its output is in the log', async () => {
    const { process, log } = await guard('echo said; echo wrong >&2; exit 7')
    expect(await process.exited).toBe(7)
    expect(await log()).toBe('said\nwrong\n')
  })

  test('that does not exist ends with 127 and says so in the log', async () => {
    const { process, log } = await guard('', { command: 'no-such-program' })
    expect(await process.exited).toBe(127)
    expect(await log()).toContain('no-such-program')
  })

  test('is stopped with SIGTERM first, so that it can tidy up', async () => {
    const { process, log } = await guard('trap "echo tidied; exit 3" TERM; echo up; while :; do sleep 0.05; done')
    await expect.poll(log).toBe('up\n')
    await process.stop()
    expect(await process.exited).toBe(3)
    expect(await log()).toBe('up\ntidied\n')
  })

  test('that does not heed SIGTERM is killed after the grace', async () => {
    const { process, log } = await guard('trap "" TERM; echo up; while :; do sleep 0.05; done')
    await expect.poll(log).toBe('up\n')
    await process.stop()
    expect(await process.exited).toBe(137)
    expect(await runs(process.identity.pid)).toBe(false)
  })

  test('may be stopped twice, and after it has ended', async () => {
    const { process } = await guard('exec sleep 60')
    await Promise.all([process.stop(), process.stop()])
    await process.stop()
    expect(await runs(process.identity.pid)).toBe(false)
  })

  test.each(['SIGKILL', 'SIGINT', 'SIGTERM'] as const)(
    'does not outlive a parent that ends with %s',
    async (signal) => {
      const directory = await temporaryDirectory()
      const parent = spawn(
        process.execPath,
        ['test/fixtures/guard-parent.mjs', join(directory, 'log'), 'sleep', '60'],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      )
      const [line] = await createInterface({ input: parent.stdout })
        [Symbol.asyncIterator]()
        .next()
        .then(({ value }) => [value as string])
      const { pid } = JSON.parse(line ?? '') as { pid: number }
      expect(await runs(pid)).toBe(true)
      parent.kill(signal)
      await gone(pid)
    },
  )

  test('does not outlive its guardian either', async () => {
    const { process: guarded, log } = await guard('echo $PPID; exec sleep 60')
    await expect.poll(log).toMatch(/\d+\n/)
    process.kill(Number(await log()), 'SIGKILL')
    await guarded.exited
    expect(await runs(guarded.identity.pid)).toBe(false)
  })
})
