/** pipeline/docs/your-model.md works as it stands: its Python and its commands, one after the other. */
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { readBundle } from '../../pipeline/model/bundle.js'
import { fromPyPI } from '../fixtures/from-pypi.js'
import { uniqueName } from '../fixtures/kafka.js'
import { openReader } from '../fixtures/reader.js'
import { shownCommands } from '../fixtures/shown-commands.js'
import { done } from '../fixtures/walks.js'

const path = 'pipeline/docs/your-model.md'
const [walk, others] = readFileSync(path, 'utf8').split('## Other libraries')
const pythonOf = (text: string) => [...text.matchAll(/^```python\n([\s\S]*?)^```$/gm)].map(([, code]) => code!)

/** What a sentence only names, and what runs this file. */
const named = ['millrace bundle init', 'npm run test:docs']
/** Slow to install, and named by version: `npm run test:docs` runs them. */
const libraries = process.env.MILLRACE_DOCS_LIBRARIES

test('a model of scikit-learn becomes a bundle whose golden cases are what scikit-learn answers, and scores', async () => {
  const deployment = uniqueName('iris')
  const reader = await openReader(
    { '--deployment iris': `--deployment ${deployment}` },
    { MILLRACE_DEPLOYMENT: deployment },
  )
  // A reader goes on in the same session.
  const session = (code: string) => {
    const script = join(reader.directory, 'session.py')
    writeFileSync(script, code)
    return promisify(execFile)('sh', [resolve('models/python.sh'), script], { cwd: reader.directory })
  }
  const [exporting, golden] = pythonOf(walk!) as [string, string]
  const commands = shownCommands(path).filter(({ command }) => !named.includes(command))
  expect(commands.length).toBe(7)
  await session(exporting)
  for (const { command } of commands) {
    if (command.startsWith('millrace bundle pack')) await session(exporting + golden)
    if (command.startsWith('millrace models push')) await done(reader, 'millrace topics create')
    if (command.startsWith('millrace run ')) {
      await reader.leave(command).printed(/scoring /, 'stderr')
      continue
    }
    const said = await done(reader, command)
    if (command.startsWith('millrace bundle check')) expect(said).toContain('golden   15 cases agree')
  }
  for (const { code, stderr } of await reader.endAll()) expect(code, stderr).toBe(0)
  const { ref, plan } = await readBundle(join(reader.directory, 'models/bundles/iris@1.tar.gz'))
  expect([ref, plan.inputs[0]!.width]).toEqual(['iris@1', 4])
}, 300_000)

/** In an environment with the versions that the page names, and the code that follows. */
const runLibrary = async (name: string, section: string) => {
  const [, versions] = /\*\* \(([^)]+)\)/.exec(section)!
  const packages = versions!.split(', ').map((one) => one.replace(' ', '=='))
  const programs = await fromPyPI(`docs-${name.toLowerCase()}`, ['scikit-learn==1.9.1', ...packages])
  const reader = await openReader({})
  const [code = catboost] = pythonOf(section)
  writeFileSync(join(reader.directory, 'session.py'), code)
  await done(reader, `${programs}/python session.py`)
  const model = `iris-${name.toLowerCase().replace('pytorch', 'torch')}`
  const said = await done(reader, `millrace bundle init ${model}.onnx ${model}@1`)
  // What the page says of LightGBM, and of CatBoost without a word.
  expect(said.includes('(ZipMap)')).toBe(['LightGBM', 'CatBoost'].includes(name))
  await done(reader, `millrace bundle check ${model}@1`)
}

const catboost = `
from catboost import CatBoostClassifier
from sklearn.datasets import load_iris
iris = load_iris()
model = CatBoostClassifier(iterations=20, verbose=False).fit(iris.data, iris.target)
model.save_model('iris-catboost.onnx', format='onnx')
`

const sections = others!
  .split(/^\*\*(?=\w+\*\* \()/m)
  .slice(1)
  .map((section) => [section.split('**')[0]!, section] as const)

test('every library of the page can be tried', () => {
  expect(sections.map(([name]) => name)).toEqual(['XGBoost', 'LightGBM', 'PyTorch', 'CatBoost'])
})

if (libraries)
  test.each(sections.filter(([name]) => new RegExp(libraries).test(name)))(
    '%s, as the page has it',
    { timeout: 1_800_000 },
    (name, section) => runLibrary(name, section),
  )
