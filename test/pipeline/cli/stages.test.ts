import { expect, test } from 'vitest'
import { availablePorts } from '../../../docker/ports.js'
import { addressesOf, type Look } from '../../../pipeline/cli/stages/ask.js'
import { sharesOf, type WorkerShares } from '../../../pipeline/cli/stages/shares.js'
import { parseConfig } from '../../../pipeline/config.js'
import { millrace, millraceJson, startMillrace } from '../../fixtures/cli.js'
import { uniqueName } from '../../fixtures/kafka.js'

test('a running worker says where its time goes', async () => {
  const environment = { MILLRACE_DEPLOYMENT: uniqueName('stages') }
  await millraceJson(['topics', 'create', '--partitions', '1'], { environment })
  const port = String((await availablePorts([undefined]))[0])
  const url = `http://127.0.0.1:${port}`
  const worker = startMillrace(['run', '--model', 'digits@1', '--id', 'w1', '--port', port], { environment })
  await millraceJson(['produce', 'models/data/digits.jsonl', '--limit', '10'], { environment })
  await millrace(['consume', '--from-beginning', '--follow', '--max', '10'], { environment })
  const watching = startMillrace(['status', '--stages', '--url', url, '--watch', '--every', '0.2', '--json'])
  await watching.printed(/"stage":"publish"/)
  await millraceJson(['produce', 'models/data/digits.jsonl', '--limit', '100'], { environment })
  await watching.printed(/"stage":"publish","busy":[^}]*"recordsPerSecond":[1-9]/)
  expect((await watching.interrupt()).code).toBe(0)

  const { stdout, code } = await millrace(['status', '--stages', '--url', url, '--every', '0.1'])
  expect(code).toBe(0)
  expect(stdout).toMatch(/^worker +w1 at http/m)
  expect(stdout).toMatch(/^main thread +\d+ % busy: decode \d+ %, encode \d+ %, Kafka and the rest \d+ %$/m)
  expect(stdout).toMatch(/^infer +\d+ %/m)
  expect((await worker.interrupt()).code).toBe(0)
})

test('where no worker can be asked, it says where it looked and what to do', async () => {
  const url = `http://127.0.0.1:${(await availablePorts([undefined]))[0]}`
  const { code, stderr } = await millrace(['status', '--stages', '--url', url])
  expect(code).toBe(1)
  expect(stderr).toContain(`${url}: nothing listens there`)
  expect(stderr).toContain('--url http://HOST:8085')
})

test('workers are looked for where the group has them, and on this machine where they listen for it alone', () => {
  const http = (given: object) =>
    parseConfig({ deployment: 'd', brokers: ['b:9092'], registry: 'http://r', http: given }).http
  const members = [{ host: '10.0.0.5' }, { host: 'fd00::1' }, { host: '10.0.0.5' }]
  expect(addressesOf(members, http({}))).toEqual(['http://127.0.0.1:8085'])
  expect(addressesOf(members, http({ host: '0.0.0.0', port: 80, token: 'a token that is long' }))).toEqual([
    'http://10.0.0.5:80',
    'http://[fd00::1]:80',
  ])
})

const look = (at: number, active: number, infer: number): Look => ({
  ...{ worker: 'w', url: 'http://w', at, mainThread: { activeMs: active, idleMs: at - active }, deadline: null },
  pipe: {
    ...{ records: infer, inFlight: 0, closedBy: {} },
    stages: [{ stage: 'infer', totalMs: 2 * infer, waitMs: infer, batches: infer / 10, records: infer }],
  },
})

test.each([
  ['main-thread', 950, 990],
  ['model', 400, 990],
  ['input', 400, 300],
] as const)('bound by %s', (bound, active, infer) => {
  const shares: WorkerShares = sharesOf(look(0, 0, 0), look(1_000, active, infer))
  expect(shares).toMatchObject({ bound, mainThreadBusy: active / 1_000, recordsPerSecond: infer })
  expect(shares.stages[0]).toMatchObject({ busy: infer / 1_000, waitMs: 10, batchMs: 20, recordsPerBatch: 10 })
})
