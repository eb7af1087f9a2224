/** The README and the other documents say what the sources say. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { PassThrough } from 'node:stream'
import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseCommand } from '../../pipeline/avro/command.js'
import { createProgram } from '../../pipeline/cli/program.js'
import { parseConfig } from '../../pipeline/config.js'
import { settings } from '../../pipeline/config-settings.js'
import { documents } from '../../pipeline/readme/documents.js'
import { partNames, withParts } from '../../pipeline/readme/parts.js'

const texts = new Map(documents().map((path) => [path, readFileSync(path, 'utf8')]))

test.each([...texts])('the tables of %s are those of the sources; if not: npm run docs', (_, text) => {
  expect(text).toBe(withParts(text))
})

test('every table that is made stands in one of them', () => {
  const all = [...texts.values()].join('\n')
  for (const name of partNames) expect(all).toContain(`<!-- begin ${name} -->`)
})

test('a part that nobody knows, or that has no end, is told', () => {
  expect(() => withParts('<!-- begin weather -->\n\n<!-- end weather -->')).toThrow('weather')
  expect(() => withParts('<!-- begin errors -->\n')).toThrow('errors')
})

test('every setting says what it is', () => {
  const silent = settings.filter(({ kind, description }) => kind !== 'group' && description === '')
  expect(silent.map(({ path }) => path)).toEqual([])
})

const shownIn = (text: string, pattern: RegExp) =>
  [...text.matchAll(pattern)].map((match) => match.slice(1) as string[])

/** Every command that is shown, with its options. */
const shown = [...texts].flatMap(([path, text]) =>
  shownIn(text, /(?:^|\$ |`|\| )millrace ((?:[a-z][a-z-]* ?)+)([^`\n]*)/gm).map(([words, rest]) => ({
    path,
    words: words!.trim().split(' '),
    options: rest!.replace(/ #.*/, '').match(/--[a-z-]+/g) ?? [],
  })),
)

test('every command that they show exists, with its options', async () => {
  const stream = new PassThrough()
  const { signal } = new AbortController()
  const program = await createProgram({ environment: {}, stdin: stream, stdout: stream, stderr: stream, signal })
  expect(shown.length).toBeGreaterThan(20)
  for (const { path, words, options } of shown) {
    let command: Command = program
    for (const word of words) command = command.commands.find((one) => one.name() === word) ?? command
    expect(command, `${path}: ${words.join(' ')}`).not.toBe(program)
    const known = [...command.options, ...program.options].map(({ long }) => long)
    for (const option of options) expect(known, `${path}: ${words.join(' ')}`).toContain(option)
  }
})

test('every npm script that they show exists', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'))
  const missing = [...texts].flatMap(([path, text]) =>
    shownIn(text, /npm run ([a-z][a-z:-]*)/g)
      .filter(([name]) => !(name! in scripts))
      .map(([name]) => `${path}: npm run ${name}`),
  )
  expect(missing).toEqual([])
})

test('every setting that a command or a sentence sets exists', () => {
  const known = new Set(settings.map(({ path }) => path))
  const missing = [...texts].flatMap(([path, text]) =>
    shownIn(text, /--set ([a-z][A-Za-z.]+)=(?!value)/g)
      .filter(([setting]) => !known.has(setting!))
      .map(([setting]) => `${path}: --set ${setting}`),
  )
  expect(missing).toEqual([])
})

test('every configuration that they show is valid', () => {
  const needed = { deployment: 'shown', brokers: ['broker:9092'], registry: 'http://registry:8081' }
  const configurations = [...texts.values()].flatMap((text) => shownIn(text, /^```yaml\n([\s\S]*?)^```$/gm))
  expect(configurations.length).toBeGreaterThan(0)
  for (const [text] of configurations) expect(parseConfig({ ...needed, ...parse(text!) })).toBeDefined()
})

test('every message that they send to the control topic is a command', () => {
  const messages = [...texts.values()].flatMap((text) => shownIn(text, /echo '(\{"action".*?\})'/g))
  expect(messages.length).toBeGreaterThan(2)
  for (const [message] of messages) expect(parseCommand(Buffer.from(message!))).toMatchObject({ issuer: '' })
})

/** As the site that shows them makes it. */
const slug = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} -]/gu, '')
    .replaceAll(' ', '-')

const headingsOf = (path: string): string[] =>
  shownIn(readFileSync(path, 'utf8').replace(/^```[\s\S]*?^```/gm, ''), /^#+ (.*)$/gm).map(([heading]) =>
    slug(heading!),
  )

test('every file and every heading that they lead to is there', () => {
  const broken = [...texts].flatMap(([path, text]) =>
    shownIn(text, /\]\(([^)\s]+)\)/g)
      .map(([target]) => target!)
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => {
        const [file = '', heading] = target.split('#')
        const led = file === '' ? path : posix.join(posix.dirname(path), file)
        return !existsSync(led) || (heading !== undefined && !headingsOf(led).includes(heading))
      })
      .map((target) => `${path}: ${target}`),
  )
  expect(broken).toEqual([])
})

test('every path that a sentence names is there', () => {
  const roots =
    /^(\.\.\/)*(stages|pipeline|docker|schemas|models|test|cli|kafka|avro|model|http|swap|client)\/[\w@./-]+$/
  const paths = [...texts].flatMap(([path, text]) =>
    shownIn(text.replace(/^```[\s\S]*?^```/gm, ''), /`([^`\n ]+\/[^`\n ]*)`/g)
      .map(([named]) => named!.replace(/NAME\b.*$/, ''))
      .filter((named) => roots.test(named))
      .map((named) => ({ path, named })),
  )
  expect(paths.length).toBeGreaterThan(30)
  const there = (path: string, named: string) => existsSync(named) || existsSync(posix.join(posix.dirname(path), named))
  expect(paths.filter(({ path, named }) => !there(path, named))).toEqual([])
})

/** The folders in a folder. */
const foldersIn = (path: string): string[] =>
  readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))

test('the maps of the house have every room, and the tests every folder of theirs', () => {
  const rooms = texts.get('pipeline/README.md')!
  expect(foldersIn('pipeline').filter((name) => !rooms.includes(`[\`${name}\`](${name})`))).toEqual([])
  const contributing = texts.get('.github/CONTRIBUTING.md')!
  expect(foldersIn('test').filter((name) => !contributing.includes(`\`test/${name}\``))).toEqual([])
})

test('beside each other system it is said when to take that one, and when Millrace', () => {
  const [table, ...sections] = texts.get('pipeline/docs/comparison.md')!.split(/^## /m)
  const beside = sections.filter((text) => text.includes('Millrace instead when'))
  for (const name of ['Kafka Streams', 'Flink', 'Quix', 'Seldon', 'Triton']) {
    expect(table).toContain(`| **${name}`)
    expect(beside.find((text) => text.startsWith(name))).toMatch(
      /\*\*Take it when\*\*[\s\S]+\*\*Millrace instead when\*\*/,
    )
  }
  expect(sections.at(-1)).toMatch(/^What Millrace does not do\n/)
})

test('every test that they call a proof is in the file that they name', () => {
  const proofs = [...texts].flatMap(([path, text]) =>
    shownIn(text, /\[([^\]]+)\]\(([^)\s]+\.test\.ts)\)/g).map(([title, file]) => ({
      title: title!,
      file: posix.join(posix.dirname(path), file!),
    })),
  )
  expect(proofs.length).toBeGreaterThan(25)
  const named = proofs.filter(({ title }) => !title.includes('.test.ts'))
  const missing = named.filter(({ title, file }) => !readFileSync(file, 'utf8').includes(title))
  expect(missing).toEqual([])
})
