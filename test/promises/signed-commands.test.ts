import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { ModelCommand } from '../../pipeline/messages.js'
import { signCommand } from '../../pipeline/model/command-signature.js'
import { generateKeys } from '../../pipeline/model/keys.js'
import { createDeployment } from '../fixtures/deployment.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'

test('where keys are trusted, a command counts when one of them signed it, and others are refused aloud', async () => {
  const deployment = await createDeployment({ partitions: 1 })
  const [trusted, other] = [generateKeys(), generateKeys()]
  const file = join(await temporaryDirectory(), 'release.pub')
  await writeFile(file, trusted.publicKeyPem)
  const worker = await deployment.worker({ control: { trustedKeys: [file] } })

  const command = (id: string, model: string): ModelCommand => ({
    id,
    action: 'SWITCH',
    model,
    digest: null,
    percent: null,
    issuedAt: 1,
    issuer: 'ops',
    sequence: 0,
    signature: null,
  })
  const signed = (one: ModelCommand, key: string, of = deployment.name) => {
    const { signature, ...said } = signCommand(one, of, key)
    return { ...said, signature: signature?.toString('base64') }
  }
  await deployment.command({ action: 'SWITCH', model: 'digits@2' })
  await deployment.command(signed(command('a', 'digits@2'), other.privateKeyPem))
  await deployment.command(signed(command('b', 'digits@2'), trusted.privateKeyPem, 'another-deployment'))
  await deployment.command(signed(command('c', 'digits@3'), trusted.privateKeyPem))
  await deployment.events.until((all) => all.some(({ type, model }) => type === 'activated' && model === 'digits@3'))

  const refused = deployment.events.items.filter(({ type }) => type === 'failed').map(({ code }) => code)
  expect(refused).toEqual(['signature-missing', 'signature-wrong', 'signature-wrong'])
  expect(worker.status.model.active).toMatchObject({ model: 'digits@3', generation: 2 })
})
