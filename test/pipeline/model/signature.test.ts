import { generateKeyPairSync } from 'node:crypto'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { actions, type ModelCommand } from '../../../pipeline/messages.js'
import { readBundle, readBundleFiles } from '../../../pipeline/model/bundle.js'
import { commandBytes, signCommand, verifyCommand } from '../../../pipeline/model/command-signature.js'
import { createModelLoader } from '../../../pipeline/model/loader.js'
import { packBundle } from '../../../pipeline/model/pack.js'
import { generateKeys, signBundle, signManifest, verifySignature } from '../../../pipeline/model/signature.js'
import { openStore } from '../../../pipeline/model/store.js'
import { bundleFiles, temporaryFolder, writeFolder } from './bundle-fixture.js'

const [ours, theirs] = [generateKeys(), generateKeys()]
const trusted = [
  { name: 'release', publicKeyPem: generateKeys().publicKeyPem },
  { name: 'team', publicKeyPem: ours.publicKeyPem },
]

describe('a signed bundle', () => {
  test('names its signer, as an archive and as a folder, and keeps its digest', async () => {
    const folder = await writeFolder(join(await temporaryFolder(), 'digits'), bundleFiles())
    const packed = await packBundle(folder, `${folder}.tar.gz`)
    for (const path of [folder, packed.path]) {
      expect(await signBundle(path, ours.privateKeyPem)).toEqual({ ref: 'digits@1', digest: packed.digest })
      expect(verifySignature(await readBundle(path), trusted)).toBe('team')
    }
    // Packed again, a folder that did not change takes its signature along.
    await packBundle(folder, packed.path)
    expect(verifySignature(await readBundle(packed.path), trusted)).toBe('team')
  })

  test('is refused without a signature, with another key’s, with one of another manifest, with one that is none', async () => {
    const files = bundleFiles()
    const manifest = files.get('bundle.json')!
    const sign = (signature: Buffer | string) => new Map(files).set('signature', Buffer.from(signature))
    const refused = (given: Map<string, Buffer>, code: string) =>
      expect(() => verifySignature({ ref: 'digits@1', files: given }, trusted)).toThrow(
        expect.objectContaining({ code }),
      )
    refused(files, 'signature-missing')
    refused(sign(signManifest(manifest, theirs.privateKeyPem)), 'signature-wrong')
    refused(sign(signManifest(Buffer.concat([manifest, Buffer.from(' ')]), ours.privateKeyPem)), 'signature-wrong')
    refused(sign(''), 'signature-wrong')
    refused(sign('é'.repeat(64)), 'signature-wrong')
    refused(sign(`${'A'.repeat(86)}==`), 'signature-wrong')
  })

  test('is not asked for its signature where no keys are configured', () => {
    expect(verifySignature({ files: bundleFiles() }, [])).toBeUndefined()
  })

  test('is the only one that a store with keys takes and a loader with keys loads', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'digits.tar.gz')
    await copyFile('models/bundles/digits@1.tar.gz', path)
    const store = openStore(join(folder, 'store'), { accept: (bundle) => verifySignature(bundle, trusted) })
    await expect(store.put(path)).rejects.toMatchObject({ code: 'signature-missing' })
    const loader = (from: string) => createModelLoader({ store: openStore(from), trustedKeys: trusted })
    await expect(loader(folder).load('digits@1')).rejects.toMatchObject({ code: 'signature-missing' })
    await signBundle(path, theirs.privateKeyPem)
    await expect(store.put(path)).rejects.toMatchObject({ code: 'signature-wrong' })
    await signBundle(path, ours.privateKeyPem)
    await store.put(path)
    const { scorer } = await loader(join(folder, 'store')).load('digits@1')
    await scorer.close()
    expect((await readBundleFiles(path)).has('signature')).toBe(true)
  })
})

describe('keys', () => {
  test('of another kind are refused, and a private key is not taken for a public one', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const rsaPem = rsa.publicKey.export({ type: 'spki', format: 'pem' }) as string
    const files = bundleFiles().set('signature', signManifest(bundleFiles().get('bundle.json')!, ours.privateKeyPem))
    const verifyWith = (publicKeyPem: string) => verifySignature({ files }, [{ name: 'odd', publicKeyPem }])
    for (const pem of [rsaPem, 'not a key', '', ours.privateKeyPem])
      expect(() => verifyWith(pem)).toThrow(expect.objectContaining({ code: 'config-invalid' }))
    expect(() => signManifest(Buffer.from('x'), ours.publicKeyPem)).toThrow(expect.objectContaining({ code: 'usage' }))
  })
})

describe('a signed command', () => {
  const orNull = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null })
  const commands: fc.Arbitrary<ModelCommand> = fc.record({
    id: fc.uuid(),
    action: fc.constantFrom(...actions),
    model: orNull(fc.string()),
    digest: orNull(fc.string()),
    percent: orNull(fc.nat(100)),
    issuedAt: fc.nat(),
    issuer: fc.string({ unit: 'binary' }),
    sequence: fc.nat(),
    signature: fc.constant(null),
  })

  test('is accepted as it was signed and in no other form', () => {
    fc.assert(
      fc.property(commands, commands, fc.constantFrom('fraud', 'digits'), (command, other, deployment) => {
        const signed = signCommand(command, 'fraud', ours.privateKeyPem)
        const altered = { ...other, signature: signed.signature }
        const same = deployment === 'fraud' && commandBytes(other, deployment).equals(commandBytes(command, 'fraud'))
        expect(verifyCommand(signed, 'fraud', trusted)).toBe('team')
        if (!same) expect(() => verifyCommand(altered, deployment, trusted)).toThrow(/signature/)
      }),
      { numRuns: 100 },
    )
  })

  test('says the same with one field changed only to itself', () => {
    fc.assert(
      fc.property(commands, commands, (a, b) => {
        for (const field of Object.keys(a) as (keyof ModelCommand)[]) {
          const changed = { ...a, [field]: b[field] }
          const same = commandBytes(changed, 'd').equals(commandBytes(a, 'd'))
          expect(same).toBe(field === 'signature' || Object.is(a[field], b[field]))
        }
      }),
    )
  })

  test('is refused unsigned and signed by another, unless nobody is trusted', () => {
    const [command] = fc.sample(commands, 1)
    expect(() => verifyCommand(command!, 'fraud', trusted)).toThrow(
      expect.objectContaining({ code: 'signature-missing' }),
    )
    for (const signature of [
      Buffer.alloc(0),
      Buffer.alloc(64),
      signCommand(command!, 'fraud', theirs.privateKeyPem).signature,
    ])
      expect(() => verifyCommand({ ...command!, signature }, 'fraud', trusted)).toThrow(
        expect.objectContaining({ code: 'signature-wrong' }),
      )
    expect(verifyCommand(command!, 'fraud', [])).toBeUndefined()
  })
})
