/** Every command that the documents show is run, page by page and in their order, as a reader would; what is not, is said why. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { documents } from '../../pipeline/readme/documents.js'
import { openReader } from '../fixtures/reader.js'
import { type ShownCommand, shownCommands } from '../fixtures/shown-commands.js'
import { done, walkOf } from '../fixtures/walks.js'

const read = (path: string) => readFileSync(path, 'utf8')
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }

/** A test that runs it, with the words by which it does. */
const runBy = (file: string, words: string) => () => expect(read(file)).toContain(words)

/** The script is there, the program that it starts too, and that program knows the options. */
const isScript = (command: string) => {
  const [, name, more = ''] = /^npm run ([a-z:]+)(?: -- (.*))?$/.exec(command)!
  const script = scripts[name!]
  expect(script, command).toBeDefined()
  const [, program] =
    /(?:node (?:--[a-z-]+ )*dist|sh |vitest run )\/?((?:test|pipeline|models)\/\S+)/.exec(script!) ?? []
  if (program === undefined) return
  // The command line keeps the options of each command in a file of its own.
  const [, word] = /cli\/main\.js (\w+)$/.exec(script!) ?? []
  const source = word ? `pipeline/cli/commands/${word}.ts` : program.replace(/\.js$/, '.ts')
  expect(existsSync(source), source).toBe(true)
  for (const [, option] of more.matchAll(/--([a-z-]+)/g))
    expect(read(source), `${command}: --${option}`).toMatch(
      new RegExp(`^ +'?${option}'?: \\{ type: '|--${option}\\b`, 'm'),
    )
}

function hasShortForm(command: string) {
  isScript(command)
  const [, script] = /^(npm run [a-z:]+)/.exec(command)!
  expect(testFiles.filter(({ text }) => text.includes(`The short form of \`${script}\``)).length, script).toBe(1)
}

const filesOf = (command: string) => {
  const paths = command.match(/(?<= )[a-z]+\/[^ ]+/g) ?? []
  expect(paths.length, command).toBeGreaterThan(0)
  for (const path of paths) expect(existsSync(path), path).toBe(true)
}

/** What no test runs from here: which commands, why, and what is looked at instead. The first that fits counts. */
const notRunHere: readonly (readonly [pattern: RegExp, why: string, check: (command: string) => void])[] = [
  [/^npm ci && npm run demo/, 'a test of its own runs it', runBy('test/promises/demo.test.ts', "'demo', '--once'")],
  [/^npm run demo -- --once$/, 'a test of its own runs it', runBy('test/promises/demo.test.ts', "'demo', '--once'")],
  [/^npm ci( && npm test)?$/, 'it is what runs this test', runBy('.ci/run', 'npm ci && npm test')],
  [/^npm test$/, 'it is what runs this test', runBy('.ci/run', 'npm test')],
  [/^millrace stack$/, 'a test of its own runs it', runBy('test/pipeline/cli/stack.test.ts', "startMillrace(['stack'")],
  [/^npm run test:package$/, 'the suite has that test in it', isScript],
  [/^npm run (build|lint|format|docs)$/, 'it changes the checkout, or takes long', isScript],
  [/^npm run docs:api$/, 'a test of its own runs it', runBy('test/contract/package.test.ts', 'typedoc.json')],
  [
    /^npm run (bench|chaos|fuzz|overload|overload:deadlines|soak:switches)( |$)/,
    'it takes minutes; a test is its short form',
    hasShortForm,
  ],
  [/^npm run (screenshots|demo|models|test:[a-z]+)( |$)/, 'it takes minutes', isScript],
  [/^npx vitest run /, 'a part of this suite', filesOf],
  [/^docker compose /, 'there is no Docker here; shipping.test.ts looks into it', filesOf],
  [
    /^node docker\/image-size/,
    'a test of its own runs it',
    runBy('test/contract/image.test.ts', 'docker/image-size.mjs'),
  ],
  [/^kubectl create /, 'a test of its own runs it', runBy('test/contract/kubernetes.test.ts', "'kubectl create'")],
  [/^kubectl apply -k /, 'there is no cluster here; kubernetes.test.ts builds what it would apply', filesOf],
  [/^(cp docker\/systemd\/|systemctl )/, 'it changes the machine; systemd.test.ts starts the unit', () => undefined],
  [
    /^millrace demo --set delivery=exactly-once$/,
    'a test of its own runs it',
    runBy('test/promises/demo.test.ts', "'--set', 'delivery=exactly-once'"),
  ],
  [/^export MILLRACE_BROKERS=/, 'the addresses are those of the stack of the tests', () => undefined],
]

const testFiles = readdirSync('test', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts') || name === 'fixtures/walks.ts')
  .map((name) => ({ name, text: read(`test/${name}`) }))

/** The tests with the words of a command that a sentence only names, and with its options. */
const testsThatRun = (command: string): string[] => {
  const [, words, rest] = /^millrace((?: [a-z][a-z-]*\b(?![@/.]))*)(.*)$/.exec(command) ?? []
  if (words === undefined) return []
  const said = words.trim().split(' ')
  const options = rest!.match(/--[a-z-]+/g) ?? []
  const shows = (text: string) => text.includes(`'${said.join("', '")}'`) || text.includes(`millrace ${said.join(' ')}`)
  return testFiles
    .filter(({ text }) => shows(text) && options.every((option) => text.includes(option)))
    .map(({ name }) => name)
}

/** What the reader leaves running, and what tells that it runs. */
const lasting: readonly (readonly [pattern: RegExp, until: RegExp, on: 'stdout' | 'stderr'])[] = [
  [/^millrace run /, /scoring /, 'stderr'],
  [/^millrace produce .*--loop/, /^/, 'stderr'],
  [/^millrace consume --follow/, /digits@1/, 'stdout'],
]

/** What fails as its document says, and what it says then. */
const failing = new Map([
  ['millrace switch digits@3 --wait', /nobody switched: .*three: no such bundle in the store: digits@3/],
])

const byItself = 'pipeline/docs/your-model.md'
const pages = documents().map((path) => [path, shownCommands(path)] as const)
const walked = pages.filter(([path, commands]) => path !== byItself && commands.length > 0)

test.each(walked)('%s: every command that it shows', { timeout: 300_000 }, async (path, commands) => {
  const walk = walkOf(path)
  const reader = await openReader(walk.names ?? {}, walk.environment)
  const isStep = ({ in: where, command }: ShownCommand) => where === 'block' || walk.steps?.includes(command)
  await walk.before?.(reader)
  for (const shown of commands) {
    const { command } = shown
    const excused = notRunHere.find(([pattern]) => pattern.test(command))
    if (excused) {
      excused[2](command)
      continue
    }
    if (!isStep(shown)) {
      expect(testsThatRun(command), `${path}: a command that nobody runs: ${command}`).not.toEqual([])
      continue
    }
    const [, sign, on] = lasting.find(([pattern]) => pattern.test(command)) ?? []
    let said = ''
    if (sign) said = await reader.leave(command).printed(sign, on)
    else if (command.startsWith('alias '))
      said = await done(reader, `shopt -s expand_aliases\n${command}\nmillrace --version`)
    else if (failing.has(command)) expect((await reader.type(command)).stdout).toMatch(failing.get(command)!)
    else said = await done(reader, command)
    await walk.next?.[command]?.(reader, said)
  }
  for (const { code, stderr } of await reader.endAll())
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
})

test('the walk of a page by itself goes through all of it', () => {
  const itsTest = read('test/contract/your-model.test.ts')
  for (const words of [`const path = '${byItself}'`, 'shownCommands(path)']) expect(itsTest.includes(words)).toBe(true)
})

test('every step of a walk is still on its page, and every excuse is still needed', () => {
  for (const [path, commands] of walked) {
    const shown = commands.map(({ command }) => command)
    const { steps = [], next = {} } = walkOf(path)
    for (const command of [...steps, ...Object.keys(next)]) expect(shown, path).toContain(command)
  }
  const all = pages.flatMap(([, commands]) => commands.map(({ command }) => command))
  for (const command of failing.keys()) expect(all).toContain(command)
  for (const [pattern] of notRunHere)
    expect(
      all.some((command) => pattern.test(command)),
      String(pattern),
    ).toBe(true)
})
