import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { writeArchive } from '../../pipeline/model/archive.js'
import { sealFiles } from '../../pipeline/model/pack.js'
import { millrace } from '../fixtures/cli.js'
import { createDeployment } from '../fixtures/deployment.js'
import { digitBundle, slowly } from '../fixtures/digit-models.js'
import { roundsPerMs } from '../fixtures/slow-model.js'
import { temporaryDirectory } from '../fixtures/stack-programs.js'

/** So long does every record have, and at least so long takes one golden case of the candidate, of which it has as many as are twice as long. */
const [deadlineMs, caseMs] = [4_000, 2_000]

/** `digits@cold` is as fast as any, but not at its golden cases. */
const storeCold = async (directory: string) => {
  const files = new Map(
    digitBundle('cold', { graph: slowly(Math.round(caseMs * (await roundsPerMs(10))), true) }).files,
  )
  const glaring = JSON.stringify({ record: { pixels: Array(64).fill(17) }, expect: { label: '7' } })
  const cases = [String(files.get('golden.jsonl')), ...Array((2 * deadlineMs) / caseMs).fill(glaring)]
  files.set('golden.jsonl', Buffer.from(cases.join('\n')))
  await writeArchive(join(directory, 'digits@cold.tar.gz'), sealFiles('digits@cold', files).files)
}

test('under load no switch costs a record its deadline: not one to a candidate that takes longer to try than records have, nor back and forth', async () => {
  const directory = await temporaryDirectory()
  await copyFile('models/bundles/digits@1.tar.gz', join(directory, 'digits@1.tar.gz'))
  await storeCold(directory)
  const deployment = await createDeployment({ partitions: 4 })
  const worker = await deployment.worker({
    bundles: { directory },
    deadline: { class: 'firm', ms: deadlineMs },
    verification: { measureMs: 0, batchSizes: [1], replayRecords: 50 },
  })
  const stream = deployment.stream(10, 10)
  const { predictions, events } = deployment
  const scores = (generation: number) => predictions.until((all) => all.some((one) => one.generation === generation))
  await scores(1)
  for (const [index, command] of [['switch', 'digits@cold'], ['rollback'], ['switch', 'digits@cold']].entries()) {
    const { code, stdout } = await millrace([...command, '--wait', '--deployment', deployment.name])
    expect([code, stdout]).toEqual([0, expect.stringContaining('scores everywhere')])
    await scores(2 + index)
  }
  await stream.end()
  await deployment.answered()
  await worker.stop()

  const at = (type: string) => events.items.find((one) => one.type === type && one.model === 'digits@cold')!.at
  expect(at('prepared') - at('loading')).toBeGreaterThan(deadlineMs)
  expect(deployment.late.items).toEqual([])
  expect(worker.status.deadline).toMatchObject({
    records: predictions.items.length,
    missed: { admission: 0, inference: 0, publish: 0 },
  })
  expect(deployment.account()).toEqual({ missing: [], repeated: [] })
})
