import { execFileSync, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { writeArchive } from '../../../pipeline/model/archive.js'
import type { GateReport } from '../../../pipeline/model/gates.js'
import { generateKeys, signBundle } from '../../../pipeline/model/signature.js'
import { verifyBundle } from '../../../pipeline/model/verifier.js'
import { runs } from '../../fixtures/stack-programs.js'
import { temporaryFolder } from './bundle-fixture.js'
import { billionLaughs } from './onnx-fixture.js'
import { gluttonous, looping, pairBundle, pairFolder, schema } from './verifier-fixture.js'

const quick = { measureMs: 5, batchSizes: [1, 8] }
const names = ({ gates }: GateReport) => gates.map(({ gate }) => gate)
const failed = ({ gates }: GateReport) => gates.filter(({ ok }) => !ok)
const find = ({ gates }: GateReport, name: string) => gates.find(({ gate }) => gate === name)

/** Ids of the verifier's processes among the children of a process. */
function verifiersOf(parent: number | undefined): number[] {
  const lines = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' }).split('\n')
  const fields = lines.map((line) => line.trim().split(/\s+/))
  return fields
    .filter(([, ppid, ...args]) => Number(ppid) === parent && args.join(' ').includes('verify-child'))
    .map(([pid]) => Number(pid))
}

async function verifierOf(parent: number | undefined): Promise<number> {
  await expect.poll(() => verifiersOf(parent)).not.toEqual([])
  return verifiersOf(parent)[0]!
}

/** Resolves once a process has computed for a second: it is past its start and in the loop of its model. */
const busy = (pid: number) =>
  expect
    .poll(() => Number(execFileSync('ps', ['-o', 'cputimes=', '-p', String(pid)], { encoding: 'utf8' })))
    .toBeGreaterThanOrEqual(1)

describe('a sound bundle', () => {
  test('passes every gate, and the report says what was measured', async () => {
    const report = await verifyBundle('models/bundles/digits@1.tar.gz', { measureMs: 20 })
    expect(failed(report)).toEqual([])
    expect(report).toMatchObject({ ref: 'digits@1', digest: expect.stringMatching(/^[0-9a-f]{64}$/), ok: true })
    expect(names(report)).toEqual([
      'read',
      'digests',
      'schema',
      'graphs',
      'load',
      'golden',
      'warm-up',
      'latency',
      'budget',
      'limits',
    ])
    expect(find(report, 'load')?.measured).toEqual({ loadMs: expect.any(Number), rssMb: expect.any(Number) })
    const sizes = [1, 8, 64, 512].flatMap((rows) => [`batch${rows}P50Ms`, `batch${rows}P99Ms`])
    expect(Object.keys(find(report, 'latency')?.measured ?? {})).toEqual(sizes)
    // What is kept is what was shown, by stage besides.
    expect(report.costs?.map(({ rows }) => rows)).toEqual([1, 8, 64, 512])
    for (const { rows, runs, p50Ms, p99Ms, stages } of report.costs!) {
      expect(runs).toBeGreaterThanOrEqual(5)
      expect(find(report, 'latency')?.measured).toMatchObject({
        [`batch${rows}P50Ms`]: p50Ms,
        [`batch${rows}P99Ms`]: p99Ms,
      })
      expect(stages?.inference?.p50Ms).toBeLessThanOrEqual(p50Ms)
    }
    expect(find(report, 'limits')?.measured).toEqual({ elapsedMs: expect.any(Number), peakRssMb: expect.any(Number) })
    expect(JSON.parse(JSON.stringify(report))).toEqual(report)
  })

  test('may be given as bytes, and is asked for its signature where keys are', async () => {
    const path = join(await temporaryFolder(), 'pair.tar.gz')
    await writeArchive(path, pairBundle({}).files)
    const { publicKeyPem, privateKeyPem } = generateKeys()
    const options = { ...quick, trustedKeys: [{ name: 'team', publicKeyPem }] }
    const unsigned = await verifyBundle(await readFile(path), options)
    expect(names(unsigned)).toEqual(['read', 'signature', 'limits'])
    expect(failed(unsigned)).toMatchObject([{ gate: 'signature', code: 'signature-missing' }])
    await signBundle(path, privateKeyPem)
    const signed = await verifyBundle(await readFile(path), options)
    expect(find(signed, 'signature')).toMatchObject({ ok: true, detail: 'signed by team' })
    expect(signed.ok).toBe(true)
  })
})

describe('a bundle is refused', () => {
  test('that is none', async () => {
    const report = await verifyBundle(Buffer.from('hello'), quick)
    expect(report).toMatchObject({ ref: undefined, ok: false })
    expect(failed(report)).toMatchObject([{ gate: 'read', code: 'bundle-invalid' }])
  })

  test('whose golden cases disagree or whose outputs do not exist, and what depends on it is not measured', async () => {
    const wrong = await verifyBundle(await pairFolder({ golden: [{ a: 1, scores: [3, 0] }] }), quick)
    expect(failed(wrong)).toMatchObject([
      { gate: 'golden', code: 'model-unfit', detail: expect.stringContaining('line 1') },
    ])
    const unfit = await verifyBundle(await pairFolder({ change: { outputs: { scores: 'q' } } }), quick)
    expect(failed(unfit).map(({ gate, code }) => [gate, code])).toEqual([
      ['graphs', 'model-unfit'],
      ['load', 'model-unfit'],
      ['golden', undefined],
    ])
  })

  test('that cannot read a registered version of the input, and the version is named', async () => {
    const [a, b] = schema.fields
    const writer = (id: number, version: number, fields: unknown[]) => ({ id, version, schema: { ...schema, fields } })
    const writerSchemas = [
      writer(7, 1, [a, b]),
      writer(8, 2, [b]),
      writer(9, 3, [
        { name: 'a', type: 'int' },
        { name: 'more', type: 'string' },
      ]),
      writer(12, 4, [{ name: 'a', type: 'string' }]),
      { id: 13, schema: 'nonsense' },
    ]
    const path = await pairFolder()
    const report = await verifyBundle(path, { ...quick, writerSchemas })
    expect(failed(report)).toMatchObject([{ gate: 'writers', code: 'schema-unresolved' }])
    expect(find(report, 'writers')?.detail).toMatch(
      /^version 2 \(id 8\), version 4 \(id 12\), schema id 13 of 5: .*\ba\b/,
    )
    // Records are read by their fields, whatever the record is called.
    const renamed = { id: 14, version: 5, schema: { ...schema, name: 'elsewhere.CalledOtherwise', fields: [b, a] } }
    const good = await verifyBundle(path, { ...quick, writerSchemas: [writerSchemas[0]!, writerSchemas[2]!, renamed] })
    expect(find(good, 'writers')).toMatchObject({ ok: true, detail: 'reads all 3 schemas of the input' })
  })

  test('that asks for a hard deadline, with the firm one that it could have', async () => {
    const stages = {
      inference: { class: 'hard', budgetMs: 1000, perRecords: 4 },
      preprocess: { class: 'soft', budgetMs: 1, perRecords: 1 },
    }
    const report = await verifyBundle(await pairFolder({ change: { stages } }), quick)
    expect(failed(report)).toMatchObject([{ gate: 'budget', code: 'hard-refused' }])
    const { detail, measured } = find(report, 'budget')!
    expect(detail).toMatch(
      /preprocess: there is no preprocess\.onnx; inference asks for hard, .* firm can be had: p99 .* 0 % of \d+ runs missed 1000 ms/,
    )
    expect(measured).toMatchObject({ inferenceMissRatio: 0, inferenceP99Ms: expect.any(Number) })
  })

  test('that cannot keep the deadline of the deployment, with the arithmetic', async () => {
    const stages = {
      inference: { class: 'firm', budgetMs: 600, perRecords: 4 },
      postprocess: { class: 'soft', budgetMs: 500, perRecords: 4 },
    }
    const greedy = await verifyBundle(await pairFolder({ change: { stages } }), {
      ...quick,
      deadline: { ms: 1_100, waits: [['batch.maxDelayMs', 1]] },
    })
    expect(failed(greedy)).toMatchObject([{ gate: 'deadline', code: 'deadline-unfit' }])
    expect(find(greedy, 'deadline')?.detail).toBe(
      'the budgets for 4 records add up past the deadline: inference 600 + postprocess 500 + batch.maxDelayMs 1 = 1101 ms of 1100',
    )
    const slow = await verifyBundle(await pairFolder(), {
      ...quick,
      deadline: { ms: 100, waits: [['batch.maxDelayMs', 100]] },
    })
    expect(failed(slow)).toMatchObject([{ gate: 'deadline', code: 'deadline-unfit' }])
    expect(find(slow, 'deadline')?.detail).toMatch(
      /^p99 of a record alone [\d.]+ \+ batch.maxDelayMs 100 = [\d.]+ ms of 100$/,
    )
    const fit = await verifyBundle(await pairFolder(), {
      ...quick,
      // What a deadline asks for is measured for nobody else too.
      latency: false,
      deadline: { ms: 60_000, waits: [] },
    })
    expect(find(fit, 'deadline')).toMatchObject({ ok: true, measured: { deadlineMs: 60_000 } })
  })

  test('that is slower than its budget', async () => {
    const stages = { inference: { class: 'firm', budgetMs: 1e-6, perRecords: 4 } }
    const report = await verifyBundle(await pairFolder({ change: { stages } }), quick)
    expect(failed(report)).toMatchObject([
      {
        gate: 'budget',
        code: 'budget-missed',
        measured: { inferenceMissRatio: 1 },
        detail: expect.stringMatching(
          /^inference \(firm\): p99 [\d.]+ ms per 4 records, 100 % of \d+ runs missed 0\.000001 ms$/,
        ),
      },
    ])
  })
})

describe('a model that misbehaves costs a failed gate with the reason', () => {
  test('when it goes round and round', async () => {
    const path = await pairFolder({ graph: looping, golden: [{ a: 3, scores: [6, 0] }, { a: 1e9 }] })
    const report = await verifyBundle(path, { ...quick, timeoutMs: 10_000 })
    expect(failed(report)).toMatchObject([
      { gate: 'golden', code: 'verification-late', detail: 'not done after 10000 ms' },
    ])
    expect(report.ref).toBe('pair@1')
    expect(verifiersOf(process.pid)).toEqual([])
  })

  test('when it takes gigabytes', async () => {
    const path = await pairFolder({ graph: gluttonous, golden: [{ a: 3, scores: [6, 0] }, { a: 1500 }] })
    const report = await verifyBundle(path, { ...quick, memoryMb: 400 })
    expect(failed(report)).toMatchObject([{ gate: 'golden', code: 'memory-exceeded' }])
    expect(find(report, 'golden')?.detail).toMatch(/^\d+ MB resident, 400 are allowed$/)
    expect(find(report, 'golden')?.measured?.peakRssMb).toBeGreaterThan(400)
  })

  test('when it unfolds to more nodes than there is memory for', async () => {
    const { files } = pairBundle({ model: billionLaughs(30) })
    const path = join(await temporaryFolder(), 'laughs.tar.gz')
    await writeArchive(path, files)
    const report = await verifyBundle(path, { ...quick, memoryMb: 300, timeoutMs: 6_000 })
    expect(failed(report)).toMatchObject([
      { gate: 'load', code: expect.stringMatching(/memory-exceeded|verification-late/) },
    ])
  })

  test('when it takes its process down', async () => {
    const path = await pairFolder({ graph: looping, golden: [{ a: 1e9 }] })
    const verified = verifyBundle(path, { ...quick, timeoutMs: 100_000 })
    const pid = await verifierOf(process.pid)
    const environment = (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0').filter(Boolean)
    expect(environment.filter((variable) => !variable.startsWith('NODE_CHANNEL_'))).toEqual([])
    await busy(pid)
    process.kill(pid, 'SIGSEGV')
    const report = await verified
    expect(failed(report)).toMatchObject([
      { gate: 'golden', code: 'model-crashed', detail: expect.stringContaining('SIGSEGV') },
    ])
  })

  test('and can be called off', async () => {
    const calledOff = new AbortController()
    const path = await pairFolder({ graph: looping, golden: [{ a: 1e9 }] })
    const verified = verifyBundle(path, { ...quick, signal: calledOff.signal })
    await verifierOf(process.pid)
    calledOff.abort()
    expect(failed(await verified)).toMatchObject([{ detail: 'the verification was called off' }])
    expect(verifiersOf(process.pid)).toEqual([])
  })

  test('and does not outlive the process that started the verification', async () => {
    const path = await pairFolder({ graph: looping, golden: [{ a: 1e9 }] })
    const verifier = pathToFileURL('dist/pipeline/model/verifier.js')
    const script = `import { verifyBundle } from '${verifier}'; await verifyBundle(${JSON.stringify(path)})`
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' })
    const pid = await verifierOf(parent.pid)
    await busy(pid)
    parent.kill('SIGKILL')
    await expect.poll(() => runs(pid)).toBe(false)
  })
})
