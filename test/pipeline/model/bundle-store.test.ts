import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { packBundle } from '../../../pipeline/model/pack.js'
import { openStore } from '../../../pipeline/model/store.js'
import { bundleFiles, temporaryFolder, writeFolder } from './bundle-fixture.js'

test('folders and archives are listed side by side, and each can be loaded', async () => {
  const folder = await temporaryFolder()
  await writeFolder(join(folder, 'store', 'digits-2'), bundleFiles({ version: '2' }))
  await writeFolder(join(folder, 'source'), bundleFiles({ version: '10' }))
  const packed = await packBundle(join(folder, 'source'), join(folder, 'store', 'digits-10.tar.gz'))
  await writeFile(join(folder, 'store', 'README.md'), 'not a bundle')
  const store = openStore(join(folder, 'store'))
  const listed = await store.list()
  expect(listed.map(({ ref, problem }) => [ref, problem])).toEqual([
    ['digits@2', undefined],
    ['digits@10', undefined],
  ])
  const { path, bytes } = packed
  expect(listed[1]).toMatchObject({ ref: 'digits@10', digest: packed.digest, path, bytes, signed: false, byHand: true })
  expect((await store.load('digits@10')).digest).toBe(packed.digest)
  expect((await store.load('digits@2')).ref).toBe('digits@2')
})

test('a broken bundle is listed with its problem and is in the way of no other', async () => {
  const folder = await temporaryFolder()
  await writeFolder(join(folder, 'good'), bundleFiles())
  await writeFolder(join(folder, 'tampered'), bundleFiles({ version: '2' }).set('model.onnx', Buffer.from('other')))
  await mkdir(join(folder, 'empty'))
  await writeFile(join(folder, 'half.tar.gz'), 'not an archive')
  const store = openStore(folder)
  const listed = await store.list()
  expect(listed.map(({ ref, problem }) => [ref, problem === undefined])).toEqual([
    ['digits@1', true],
    ['digits@2', false],
    ['empty', false],
    ['half.tar.gz', false],
  ])
  expect((await store.load('digits@1')).ref).toBe('digits@1')
  await expect(store.load('digits@2')).rejects.toMatchObject({ code: 'digest-mismatch' })
})

test('an unknown reference is answered with what there is', async () => {
  const folder = await temporaryFolder()
  await writeFolder(join(folder, 'good'), bundleFiles())
  await expect(openStore(folder).load('digits@7')).rejects.toMatchObject({
    code: 'model-unknown',
    message: expect.stringContaining('holds digits@1'),
  })
  await expect(openStore(folder).load('digits@1', 'f'.repeat(64))).rejects.toMatchObject({ code: 'model-unknown' })
  await expect(openStore(join(folder, 'nowhere')).list()).rejects.toMatchObject({ code: 'file-unreadable' })
})

test('two different bundles of one reference are told apart by digest, and refused without', async () => {
  const folder = await temporaryFolder()
  await writeFolder(join(folder, 'a'), bundleFiles())
  await writeFolder(join(folder, 'b'), bundleFiles({ outputs: { scores: 'probabilities' } }))
  const store = openStore(folder)
  await expect(store.load('digits@1')).rejects.toMatchObject({
    code: 'bundle-invalid',
    message: expect.stringContaining('two different bundles'),
  })
  const [, second] = await store.list()
  expect((await store.load('digits@1', second!.digest)).digest).toBe(second!.digest)
})

test('the same bundle as folder and archive is one bundle', async () => {
  const folder = await temporaryFolder()
  await writeFolder(join(folder, 'digits'), bundleFiles())
  await packBundle(join(folder, 'digits'), join(folder, 'digits.tar.gz'))
  expect((await openStore(folder).load('digits@1')).ref).toBe('digits@1')
})
