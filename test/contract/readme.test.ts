/** The README says what the sources say. */
import { existsSync, readFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { createProgram } from '../../pipeline/cli/program.js'
import { settings } from '../../pipeline/config-settings.js'
import { partNames, withParts } from '../../pipeline/readme/parts.js'

const readme = readFileSync('README.md', 'utf8')

test('its tables are those of the sources; if not: npm run docs', () => {
  expect(readme).toBe(withParts(readme))
})

test('every table that is made stands in it', () => {
  for (const name of partNames) expect(readme).toContain(`<!-- begin ${name} -->`)
})

test('a part that nobody knows, or that has no end, is told', () => {
  expect(() => withParts('<!-- begin weather -->\n\n<!-- end weather -->')).toThrow('weather')
  expect(() => withParts('<!-- begin errors -->\n')).toThrow('errors')
})

test('every setting says what it is', () => {
  const silent = settings.filter(({ kind, description }) => kind !== 'group' && description === '')
  expect(silent.map(({ path }) => path)).toEqual([])
})

/** Every command that is shown, with its options. */
const shown = [...readme.matchAll(/(?:^|\$ |`)millrace ((?:[a-z][a-z-]* ?)+)([^`\n]*)/gm)].map(([, words, rest]) => ({
  words: words!.trim().split(' '),
  options: rest!.replace(/ #.*/, '').match(/--[a-z-]+/g) ?? [],
}))

test('every command that it shows exists, with its options', async () => {
  const stream = new PassThrough()
  const { signal } = new AbortController()
  const program = await createProgram({ environment: {}, stdin: stream, stdout: stream, stderr: stream, signal })
  expect(shown.length).toBeGreaterThan(20)
  for (const { words, options } of shown) {
    let command: Command = program
    for (const word of words) command = command.commands.find((one) => one.name() === word) ?? command
    expect(command, words.join(' ')).not.toBe(program)
    const known = [...command.options, ...program.options].map(({ long }) => long)
    for (const option of options) expect(known, words.join(' ')).toContain(option)
  }
})

test('every file that it names is there', () => {
  for (const file of ['README.md', 'pipeline/README.md', 'models/README.md']) {
    const folder = file.replace(/[^/]+$/, '')
    const links = [...readFileSync(file, 'utf8').matchAll(/\]\(([^)#:]+)\)/g)].map(([, path]) => `${folder}${path}`)
    expect(links.filter((path) => !existsSync(path))).toEqual([])
  }
})

test('every heading that it leads to is there', () => {
  const slug = (heading: string) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} -]/gu, '')
      .replaceAll(' ', '-')
  const headings = [...readme.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => `#${slug(heading!)}`)
  const led = [...readme.matchAll(/\]\((#[^)]+)\)/g)].map(([, anchor]) => anchor)
  expect(led.filter((anchor) => !headings.includes(anchor!))).toEqual([])
})
