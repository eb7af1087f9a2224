/**
 * Chapter 2: a bundle. What chapter 1 made up is now real: scanned digits in Avro, and an ONNX model in a worker thread. Only the log and
 * the registry are still in memory.
 */
import { firstValueFrom } from 'rxjs'
import { expect, test } from 'vitest'
import { frame } from '../../pipeline/avro/framing.js'
import { createRecordDecoder } from '../../pipeline/avro/record-decoder.js'
import { createMemoryLog } from '../../pipeline/memory-source.js'
import { readBundle } from '../../pipeline/model/bundle.js'
import { createScorer } from '../../pipeline/model/scorer.js'
import { createCredits } from '../../stages/credits.js'
import { decode } from '../../stages/decode.js'
import { infer } from '../../stages/infer.js'
import { createLeases } from '../../stages/leases.js'
import { microBatch } from '../../stages/micro-batch.js'
import type { Generation } from '../../stages/ports.js'
import { digitBytes, digitSchema, digits } from '../fixtures/digits.js'

const schemaId = 7
const registry = {
  known: (id: number) => (id === schemaId ? digitSchema : undefined),
  fetch: async () => undefined,
}

test('a bundle says what its model reads of a record, and knows what it should answer', async () => {
  const bundle = await readBundle('models/bundles/digits@1.tar.gz')
  expect(bundle.ref).toBe('digits@1')
  // The digest covers every file: two bundles of the same name are never mistaken for one another.
  expect(bundle.digest).toMatch(/^[0-9a-f]{64}$/)
  // Of a scan with an id and a true label, the model reads 64 pixels.
  expect(bundle.plan.inputs).toMatchObject([
    { tensor: 'X', type: 'float32', width: 64, fields: [{ field: 'pixels', width: 64 }] },
  ])
  expect([...bundle.files.keys()]).toContain('golden.jsonl')
})

test('scans go in, digits come out', async () => {
  const bundle = await readBundle('models/bundles/digits@1.tar.gz')
  const scorer = await createScorer(bundle)
  const { ref: model, digest, plan } = bundle
  const generation: Generation = { number: 1, model, digest, plan, scorer, retain() {}, release() {} }

  const log = createMemoryLog('digits.input', 1)
  for (const digit of digits.slice(0, 100)) log.append(0, { value: frame(schemaId, digitBytes(digit)) })
  const leases = createLeases()
  const source = log.createSource({ groupId: 'digits', drainTimeoutMs: 1_000 })
  const scored = await firstValueFrom(
    source.open((assignment) =>
      assignment.records(createCredits({ records: 1_000, bytes: 1_000_000 })).pipe(
        decode({
          choice: { choose: () => ({ generation, until: Number.POSITIVE_INFINITY }) },
          decoder: createRecordDecoder({ registry }),
          leases,
        }),
        microBatch({ limits: () => ({ maxRecords: 100, maxBytes: 1_000_000, maxDelayMs: 50 }), leases }),
        infer({ concurrency: 1 }),
      ),
    ),
  )
  await source.stop()
  await scorer.close()

  expect(scored.rows).toBe(100)
  expect(scored.outputs.scoresWidth).toBe(10)
  // None of these scans was trained on, so this is what the model is worth.
  const right = digits.slice(0, 100).filter(({ label }, row) => scored.outputs.labels?.[row] === label)
  expect(right.length).toBeGreaterThan(80)
})
