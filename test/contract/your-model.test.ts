/** pipeline/docs/your-model.md works as it stands: its Python and its commands, one after the other, in an empty folder. */
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { readBundle } from '../../pipeline/model/bundle.js'
import { millrace } from '../fixtures/cli.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'

const [walk] = readFileSync('pipeline/docs/your-model.md', 'utf8').split('## Other libraries')
const blocks = [...walk!.matchAll(/^```(python|sh|console)\n([\s\S]*?)^```$/gm)].map(([, kind, text]) => ({
  kind: kind!,
  text: text!,
}))
const commandsOf = ({ kind, text }: { kind: string; text: string }): string[] =>
  kind === 'sh' ? text.trim().split('\n') : [...text.matchAll(/^\$ (.*)$/gm)].map(([, command]) => command!)

test('a model of scikit-learn becomes a bundle whose golden cases are what scikit-learn answers', async () => {
  const directory = await temporaryDirectory()
  mkdirSync(join(directory, 'models', 'bundles'), { recursive: true })
  let python = ''
  let commands = 0
  for (const block of blocks) {
    if (block.kind === 'python') {
      // A reader goes on in the same session.
      python += block.text
      const script = join(directory, 'session.py')
      writeFileSync(script, python)
      await promisify(execFile)('sh', [resolve('models/python.sh'), script], { cwd: directory })
      continue
    }
    for (const command of commandsOf(block)) {
      const [program, ...args] = command.split(' ')
      expect(program).toBe('millrace')
      const { code, stdout, stderr } = await millrace(args, { directory })
      expect({ command, code, stderr }).toEqual({ command, code: 0, stderr: '' })
      if (args[1] === 'check') expect(stdout).toContain('golden   15 cases agree')
      commands += 1
    }
  }
  expect(commands).toBe(3)
  const { ref, plan } = await readBundle(join(directory, 'models/bundles/iris@1.tar.gz'))
  expect([ref, plan.inputs[0]!.width]).toEqual(['iris@1', 4])
}, 300_000)
