/** What the linter cannot see of the import direction: chains, cycles, and the environment taken by another name. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'

const files = ['stages', 'pipeline', 'docker'].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name)),
)

/** The sources (as paths) and packages (as names) that a text imports. */
const importedBy = (file: string, text: string) =>
  ts
    .preProcessFile(text)
    .importedFiles.map(({ fileName }) =>
      fileName.startsWith('.') ? normalize(join(dirname(file), fileName)).replace(/\.js$/, '.ts') : fileName,
    )

const imports = new Map(files.map((file) => [file, importedBy(file, readFileSync(file, 'utf8'))]))
/** The same without the types, which are gone when the program runs. */
const runtimeImports = new Map(
  files.map((file) => {
    const { outputText } = ts.transpileModule(readFileSync(file, 'utf8'), {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true },
    })
    return [file, importedBy(file, outputText)]
  }),
)

const importsOf = (file: string) => imports.get(file) ?? []
const adapterOf = (file: string) => /^pipeline\/(kafka|avro|model|http|dashboard)\//.exec(file)?.[1]

/** Everything that a file imports, and what that imports. */
const reached = (file: string, graph = imports, seen = new Set<string>()): Set<string> => {
  for (const one of graph.get(file) ?? []) {
    if (seen.has(one)) continue
    seen.add(one)
    reached(one, graph, seen)
  }
  return seen
}

test('every import of a source is a source that exists', () => {
  const missing = files.flatMap((file) =>
    importsOf(file)
      .filter((one) => one.endsWith('.ts') && !imports.has(one))
      .map((one) => `${file} → ${one}`),
  )
  expect(missing).toEqual([])
})

test('an adapter reaches no other adapter, on no way', () => {
  const meetings = files
    .filter(adapterOf)
    .flatMap((file) =>
      [...reached(file)]
        .filter((one) => adapterOf(one) !== undefined && adapterOf(one) !== adapterOf(file))
        .map((one) => `${file} → ${one}`),
    )
  expect(meetings).toEqual([])
})

test('the core of the swap reaches no adapter', () => {
  const core = files.filter((file) => file.startsWith('pipeline/swap/'))
  expect(core.flatMap((file) => [...reached(file)]).filter(adapterOf)).toEqual([])
})

test('stages reach rxjs and one another, nothing else', () => {
  const stages = files.filter((file) => file.startsWith('stages/'))
  const others = stages.flatMap(importsOf).filter((one) => one !== 'rxjs' && !one.startsWith('stages/'))
  expect(others).toEqual([])
})

test('nothing but the command line imports the command line or the stack', () => {
  const offenders = files
    .filter((file) => file.startsWith('pipeline/') && !file.startsWith('pipeline/cli/'))
    .filter((file) => importsOf(file).some((one) => /^(pipeline\/cli|docker)\//.test(one)))
  expect(offenders).toEqual([])
  expect(files.filter((file) => importsOf(file).includes('pipeline/cli/main.ts'))).toEqual([])
})

test('no file waits for itself to be loaded', () => {
  expect(files.filter((file) => reached(file, runtimeImports).has(file))).toEqual([])
})

test('only the main program reads the environment and the arguments of the process', () => {
  const taken = /\bprocess\s*(\.\s*(env|argv)\b|\[)|\}\s*=\s*process\s*$|['"](node:)?process['"]/m
  expect(files.filter((file) => taken.test(readFileSync(file, 'utf8')))).toEqual(['pipeline/cli/main.ts'])
})

test('only the entries of processes end one', () => {
  const ends = /\bprocess\s*\.\s*(exit|exitCode|abort|kill)\b/
  const entries = ['pipeline/cli/main.ts', 'pipeline/model/verify-child.ts']
  const others = files.filter((file) => !file.startsWith('docker/') && ends.test(readFileSync(file, 'utf8')))
  expect(others).toEqual(entries)
})
