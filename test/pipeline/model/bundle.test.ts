import { appendFile, readFile, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readBundle } from '../../../pipeline/model/bundle.js'
import { sha256 } from '../../../pipeline/model/bundle-files.js'
import { packBundle } from '../../../pipeline/model/pack.js'
import { bundleFiles, draftManifest, json, temporaryFolder, writeFolder } from './bundle-fixture.js'

describe('reading a bundle', () => {
  test('a folder gives its reference, its digest and a plan with every width settled', async () => {
    const files = bundleFiles()
    const bundle = await readBundle(await writeFolder(await temporaryFolder(), files))
    expect(bundle.ref).toBe('digits@1')
    expect(bundle.digest).toBe(sha256(files.get('bundle.json')!))
    expect(bundle.plan.inputs).toEqual([
      {
        tensor: 'X',
        type: 'float32',
        shape: [64],
        width: 64,
        fields: [
          { field: 'pixels', width: 63 },
          { field: 'ink', width: 1, default: 0 },
        ],
        allowNaN: false,
      },
    ])
  })

  test('a changed byte is noticed', async () => {
    const folder = await writeFolder(await temporaryFolder(), bundleFiles())
    await appendFile(join(folder, 'model.onnx'), '!')
    await expect(readBundle(folder)).rejects.toMatchObject({
      code: 'digest-mismatch',
      message: expect.stringContaining('model.onnx'),
    })
  })

  test('a missing file, an unlisted file and a missing folder are each named', async () => {
    const folder = await writeFolder(await temporaryFolder(), bundleFiles())
    await writeFile(join(folder, 'preprocess.onnx'), 'unlisted')
    await expect(readBundle(folder)).rejects.toMatchObject({
      code: 'bundle-invalid',
      message: expect.stringContaining('preprocess.onnx is there'),
    })
    await rm(join(folder, 'preprocess.onnx'))
    await rm(join(folder, 'input.avsc'))
    await expect(readBundle(folder)).rejects.toThrow('input.avsc is missing')
    await rm(join(folder, 'bundle.json'))
    await expect(readBundle(folder)).rejects.toThrow('bundle.json is missing')
    await expect(readBundle(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'file-unreadable' })
  })

  test('other files in a folder are left alone, and links are followed as mounted folders need it', async () => {
    const folder = await writeFolder(await temporaryFolder(), bundleFiles())
    await writeFile(join(folder, 'README.md'), 'how it was trained')
    await rename(join(folder, 'model.onnx'), join(folder, '..data.onnx'))
    await symlink('..data.onnx', join(folder, 'model.onnx'))
    const bundle = await readBundle(folder)
    expect([...bundle.files.keys()]).toEqual(['bundle.json', 'golden.jsonl', 'input.avsc', 'model.onnx'])
  })

  test('a folder larger than the limit is refused before it is read', async () => {
    const folder = await writeFolder(await temporaryFolder(), bundleFiles())
    await expect(readBundle(folder, { packedBytes: 10, unpackedBytes: 10 })).rejects.toMatchObject({
      code: 'bundle-invalid',
    })
  })
})

describe('packing a bundle', () => {
  test('fills in the digests, and what is read back is what was packed', async () => {
    const folder = await temporaryFolder()
    const files = bundleFiles().set('bundle.json', json(draftManifest))
    await writeFolder(join(folder, 'source'), files)
    const packed = await packBundle(join(folder, 'source'), join(folder, 'digits.tar.gz'))
    const bundle = await readBundle(packed.path)
    expect(packed).toMatchObject({ ref: 'digits@1', digest: bundle.digest })
    expect(bundle.files.get('model.onnx')).toEqual(files.get('model.onnx'))
    expect(bundle.manifest.files['model.onnx']).toBe(sha256(files.get('model.onnx')!))
    expect(await readFile(join(folder, 'source', 'bundle.json'))).toEqual(json(draftManifest))
  })

  test('the same files give the same bytes, whatever their times', async () => {
    const folder = await temporaryFolder()
    for (const name of ['a', 'b']) await writeFolder(join(folder, name), bundleFiles())
    await utimes(join(folder, 'b', 'model.onnx'), 1, 1)
    await packBundle(join(folder, 'a'), join(folder, 'a.tar.gz'))
    await packBundle(join(folder, 'b'), join(folder, 'b.tar.gz'))
    expect(await readFile(join(folder, 'a.tar.gz'))).toEqual(await readFile(join(folder, 'b.tar.gz')))
  })

  test('a folder whose digests are right keeps its own digest when packed', async () => {
    const folder = await temporaryFolder()
    await writeFolder(join(folder, 'source'), bundleFiles())
    const packed = await packBundle(join(folder, 'source'), join(folder, 'digits.tar.gz'))
    expect(packed.digest).toBe((await readBundle(join(folder, 'source'))).digest)
  })

  test('a folder that is no bundle leaves no archive behind', async () => {
    const folder = await temporaryFolder()
    await writeFolder(join(folder, 'source'), bundleFiles({ name: '../escape' }))
    await expect(packBundle(join(folder, 'source'), join(folder, 'out.tar.gz'))).rejects.toMatchObject({
      code: 'bundle-invalid',
      message: expect.stringContaining('name: '),
    })
    await expect(readBundle(join(folder, 'out.tar.gz'))).rejects.toMatchObject({ code: 'file-unreadable' })
    await writeFolder(join(folder, 'source'), bundleFiles())
    await expect(packBundle(join(folder, 'source'), join(folder, 'no', 'out.tar.gz'))).rejects.toMatchObject({
      code: 'file-unreadable',
    })
  })
})
