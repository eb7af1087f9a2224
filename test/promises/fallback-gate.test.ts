/** A fallback has to do for what comes after a switch: where it does not, the switch is refused. */
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, inject, test } from 'vitest'
import { writeArchive } from '../../pipeline/model/archive.js'
import { sealFiles } from '../../pipeline/model/pack.js'
import { millrace } from '../fixtures/cli.js'
import { createDeployment } from '../fixtures/deployment.js'
import { digitBundle, storeDigitModel, stubborn } from '../fixtures/digit-models.js'
import { digitSchema, registerValues } from '../fixtures/digits.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'

/** The classes of the scans, two of them in the place of each other. */
const exchanged = ['1', '0', '2', '3', '4', '5', '6', '7', '8', '9']

test('a switch to a bundle that the fallback cannot stand in for is refused, with what to do; one that it can is not', async () => {
  const directory = await temporaryDirectory()
  for (const ref of ['digits@2', 'digits@3'])
    await copyFile(`models/bundles/${ref}.tar.gz`, join(directory, `${ref}.tar.gz`))
  await storeDigitModel(directory, 'small', { graph: stubborn })
  await storeDigitModel(directory, 'exchanged', {
    graph: stubborn,
    change: { outputs: { scores: 'p', labels: exchanged } },
  })
  await storeDigitModel(directory, 'deeper', {
    graph: stubborn,
    change: { outputs: { scores: 'p', labels: exchanged.toSorted(), values: { logits: 'p' } } },
  })
  // It needs no pixels, so it reads what the fallback cannot.
  const files = new Map(digitBundle('blind', { graph: stubborn }).files)
  const pixels = { name: 'pixels', type: { type: 'array', items: 'float' }, default: Array(64).fill(0) }
  files.set('input.avsc', Buffer.from(JSON.stringify({ type: 'record', name: 'Digit', fields: [pixels] })))
  await writeArchive(join(directory, 'digits@blind.tar.gz'), sealFiles('digits@blind', files).files)

  const deployment = await createDeployment({ partitions: 1 })
  const short = { measureMs: 0, batchSizes: [1], replayRecords: 0 }
  const deadline = { class: 'firm', ms: 60_000, fallback: 'digits@small' } as const
  const worker = await deployment.worker({ model: 'digits@2', bundles: { directory }, deadline, verification: short })
  const of = ['--deployment', deployment.name]
  const refused = async (model: string) => {
    const before = worker.status.model.active?.model
    const { code, stdout } = await millrace(['switch', model, '--wait', ...of])
    expect([code, stdout]).toEqual([
      1,
      expect.stringMatching(/What to do: name a bundle that can as deadline\.fallback/),
    ])
    expect(worker.status.model.active?.model).toBe(before)
    return stdout
  }
  const { input } = deployment.topics

  expect(await refused('digits@exchanged')).toMatch(
    /digits@exchanged: fallback: digits@small has other classes, or in another order, than digits@exchanged/,
  )
  expect(await refused('digits@deeper')).toMatch(
    /: fallback: digits@small gives no value "logits", unlike digits@deeper/,
  )

  // Records that the fallback can read: it is tried again, and found fit.
  const more = { name: 'ward', type: 'string', default: '' }
  await registerValues(inject('registry'), input, { ...digitSchema, fields: [...digitSchema.fields, more] })
  const fit = await millrace(['switch', 'digits@3', '--wait', ...of])
  expect([fit.code, fit.stdout]).toEqual([0, expect.stringContaining('digits@3 scores everywhere')])
  expect(
    deployment.events.items.find(({ type, model }) => type === 'prepared' && model === 'digits@3')?.reason,
  ).toContain('fallback: digits@small is fit')

  // Records that it cannot read.
  await registerValues(inject('registry'), input, { ...digitSchema, fields: [more] })
  expect(await refused('digits@blind')).toMatch(
    /digits@blind: fallback: digits@small: writers: version 3 \(id \d+\) of 3: .*pixels/,
  )
  const asked = await millrace([
    ...['models', 'verify', 'digits@blind', ...of],
    ...['class=firm', 'ms=60000', 'fallback=digits@small'].flatMap((one) => ['--set', `deadline.${one}`]),
    ...['--set', `bundles.directory=${directory}`, '--set', 'verification.batchSizes=[1]'],
  ])
  expect([asked.code, asked.stdout]).toEqual([1, expect.stringMatching(/✗ fallback +digits@small: writers: version 3/)])
})
