import { expect, test } from 'vitest'
import { availablePorts } from '../../../docker/ports.js'
import { deadlineText } from '../../../pipeline/cli/deadline-text.js'
import type { KeptDeadlines } from '../../../pipeline/cli/kept-deadlines.js'
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
  const deadline = ['--set', 'deadline.class=soft', '--set', 'deadline.ms=3600000']
  const worker = startMillrace(['run', '--model', 'digits@1', '--id', 'w1', '--port', port, ...deadline], {
    environment,
  })
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
  // What nothing has been scored of yet is known from its verification.
  expect(stdout).toMatch(
    /^costs +digits@1, inference: ms a batch, p50 \/ p99, by records: 1: [\d.]+ \/ [\d.]+, .*2,048: /m,
  )

  // The status says so too, of the workers of the deployment that it finds.
  const said = await millrace(['status', '--url', url], { environment })
  expect(said.stdout).toMatch(
    /^deadline +w1: soft, 3,600,000 ms; missed by 0 % of 110 records; ms left at gather [\d,]+ \(least [\d,]+\), infer .*, publish /m,
  )
  const { deadlines } = await millraceJson<KeptDeadlines>(['status', '--url', url], { environment })
  expect(deadlines).toMatchObject([
    { worker: 'w1', class: 'soft', ms: 3_600_000, records: 110, missRatio: 0, missed: { inference: 0 } },
  ])
  expect(deadlines[0]?.slack.map(({ stage }) => stage)).toEqual(['gather', 'infer', 'publish'])
  const other = { MILLRACE_DEPLOYMENT: uniqueName('other') }
  await millraceJson(['topics', 'create', '--partitions', '1'], { environment: other })
  expect(await millraceJson(['status', '--url', url], { environment: other })).toMatchObject({ deadlines: [] })
  const nobody = `http://127.0.0.1:${(await availablePorts([undefined]))[0]}`
  const wanted = { environment: { ...environment, MILLRACE_DEADLINE_CLASS: 'soft', MILLRACE_DEADLINE_MS: '1000' } }
  expect((await millrace(['status', '--url', nobody], wanted)).stdout).toContain(`${nobody}: nothing listens there`)
  expect((await worker.interrupt()).code).toBe(0)
})

test('who missed a deadline is told with where that was found', () => {
  const missed = { admission: 30, inference: 0, publish: 1 }
  const slack = [{ stage: 'publish', p50Ms: 120.4, leastMs: 0 }]
  expect(deadlineText({ class: 'firm', ms: 200, records: 12_400, missed, slack })).toBe(
    'firm, 200 ms; missed by 0.25 % of 12,400 records: 30 at admission, 1 at publish; ms left at publish 120 (least 0.00)',
  )
})

test('of a deadline that nothing has come under yet, no figures are told', () => {
  const slack = [{ stage: 'publish', p50Ms: 0, leastMs: 0 }]
  const missed = { admission: 0, inference: 0, publish: 0 }
  expect(deadlineText({ class: 'soft', ms: 50, records: 0, missed, slack })).toBe('soft, 50 ms; no record yet')
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
  ...{ worker: 'w', url: 'http://w', at, mainThread: { activeMs: active, idleMs: at - active } },
  ...{ deadline: null, fallback: null, stageCosts: [] },
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
