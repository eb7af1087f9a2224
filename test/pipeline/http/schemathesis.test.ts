/** The REST interface against its own OpenAPI document, judged by a fuzzer that has never seen it. MILLRACE_REST_SECONDS: for how long. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { parseConfig } from '../../../pipeline/config.js'
import { createLogger } from '../../../pipeline/logging.js'
import { startServedWorker } from '../../../pipeline/serve.js'
import { createDeployment } from '../../fixtures/deployment.js'
import { token } from '../../fixtures/served.js'
import { copyStore } from '../../fixtures/store.js'

const seconds = Number(process.env.MILLRACE_REST_SECONDS ?? 0)
const phases =
  seconds > 0
    ? ['--phases', 'examples,coverage,fuzzing', '--max-time', String(seconds)]
    : ['--phases', 'examples,coverage']

test('every answer is one that the OpenAPI document has, whatever is asked', { timeout: 600_000 }, async () => {
  const deployment = await createDeployment({ partitions: 1 })
  const config = parseConfig({
    ...deployment.settings,
    bundles: { directory: await copyStore('digits@1', 'digits@2') },
    http: { port: 0, token },
  })
  const logger = createLogger({ level: 'silent', pretty: false, colors: false, stream: { write: () => undefined } })
  const served = await startServedWorker({ config, logger })
  onTestFinished(() => served.stop())
  await served.worker.running

  const report = await promisify(execFile)('sh', [
    'test/pipeline/http/schemathesis/run.sh',
    ...['run', `${served.url}/openapi.json`, '--header', `Authorization: Bearer ${token}`, ...phases],
    // Streams do not end, and a try of a bundle takes seconds.
    ...['--exclude-path', '/v1/events', '--exclude-path', '/v1/live', '--exclude-path', '/v1/models/{ref}/verify'],
    // Wrong tokens lock the address out, which has tests of its own; rules between settings, and what makes a bundle, no schema can say.
    ...[
      '--exclude-checks',
      'ignored_auth,positive_data_acceptance',
      '--no-color',
      '--continue-on-failure',
      '--warnings',
      'off',
    ],
  ]).catch((error: { stdout: string; stderr: string }) => error)
  expect(report.stdout + report.stderr).toMatch(/No issues found/)
})
