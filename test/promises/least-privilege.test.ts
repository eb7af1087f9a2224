import kafkajs from 'kafkajs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Acl, planAcls, type Role, roles } from '../../pipeline/kafka/acl-plan.js'
import { withAdmin } from '../../pipeline/kafka/admin.js'
import { millrace, millraceJson, type Running, startMillrace } from '../fixtures/cli.js'
import { createDeployment, type Deployment } from '../fixtures/deployment.js'
import { digitRecord } from '../fixtures/digits.js'
import { testKafka } from '../fixtures/kafka.js'
import { part, ready } from '../fixtures/part.js'
import { password, type SecureBroker, startSecureBroker } from '../fixtures/secure-broker.js'

const stops: (() => Promise<unknown>)[] = []
let broker: SecureBroker
beforeAll(async () => {
  broker = await startSecureBroker([...roles, 'nobody'], (stop) => stops.unshift(stop))
})
afterAll(async () => {
  for (const stop of stops) await stop()
})

const { AclResourceTypes, AclOperationTypes, ResourcePatternTypes, AclPermissionTypes } = kafkajs
const resources = {
  topic: AclResourceTypes.TOPIC,
  group: AclResourceTypes.GROUP,
  'transactional-id': AclResourceTypes.TRANSACTIONAL_ID,
}
const operations = {
  Read: AclOperationTypes.READ,
  Write: AclOperationTypes.WRITE,
  Describe: AclOperationTypes.DESCRIBE,
}
const patterns = { literal: ResourcePatternTypes.LITERAL, prefixed: ResourcePatternTypes.PREFIXED }

/** Resolves when the authorizer of the broker knows it, which is a moment after the answer. */
const grant = (user: string, acls: readonly Acl[]): Promise<void> =>
  withAdmin(testKafka({ brokers: [broker.brokers] }), async (admin) => {
    const all = acls.flatMap((acl) =>
      acl.operations.map((operation) => ({
        resourceType: resources[acl.resource],
        resourceName: acl.name,
        resourcePatternType: patterns[acl.pattern],
        principal: `User:${user}`,
        host: '*',
        operation: operations[operation],
        permissionType: AclPermissionTypes.ALLOW,
      })),
    )
    await admin.createAcls({ acl: all })
    for (const one of all) while ((await admin.describeAcls(one)).resources.length === 0);
  })

/** Every role has what the plan gives it, and nothing else. */
const secured = async (): Promise<Deployment> => {
  const deployment = await createDeployment({ brokers: [broker.brokers] })
  const plan = planAcls(deployment.topics, deployment.name)
  for (const role of roles) await grant(role, plan[role])
  return deployment
}

type User = Role | 'nobody'

const as = (user: User, { name }: Deployment, mechanism = 'scram-sha-512') => ({
  environment: {
    MILLRACE_DEPLOYMENT: name,
    MILLRACE_BROKERS: broker.sasl,
    MILLRACE_SASL_MECHANISM: mechanism,
    MILLRACE_SASL_USERNAME: user,
    MILLRACE_SASL_PASSWORD: password,
  },
})

const startWorker = (deployment: Deployment, ...more: string[]): Running =>
  startMillrace(['run', '--model', 'digits@1', ...more], as('worker', deployment))

const pageOf = async (worker: Running): Promise<string> => {
  const said = await worker.printed(/"the page"/, 'stderr')
  return JSON.parse(said.split('\n').find((line) => line.includes('"the page"'))!).url
}

/** What a page is told until that is among it. */
const liveUntil = async (url: string, wanted: string): Promise<string> => {
  const { body } = await fetch(`${url}/v1/live`)
  let text = ''
  for await (const some of body!.pipeThrough(new TextDecoderStream())) {
    text += some
    if (text.includes(wanted)) break
  }
  return text
}

test.each(['at-least-once', 'exactly-once'])(
  '%s: everybody gets by with the rights of the table, with the authorizer of the broker on',
  async (delivery) => {
    const deployment = await secured()
    const settings = [`delivery=${delivery}`, 'deadline.class=firm', 'deadline.ms=60000']
    const worker = startWorker(deployment, ...settings.flatMap((one) => ['--set', one]))
    const produced = await millraceJson(
      ['produce', 'models/data/digits.jsonl', '--limit', '20'],
      as('producer', deployment),
    )
    expect(produced).toMatchObject({ records: 20 })
    await deployment.send(0, [Buffer.from('no Avro at all')])
    await deployment.predictions.until((all) => all.length === 20)
    await deployment.send(0, [digitRecord(deployment.schemaId, 0)], { timestamp: 1 })
    const page = await pageOf(worker)
    for (const kind of ['not-framed', 'admission'])
      expect(await liveUntil(page, `"counts":{"${kind}":1}`)).toContain('"trouble":null')

    const switched = await millraceJson(['switch', 'digits@2', '--wait'], as('switcher', deployment))
    expect(switched).toMatchObject({ model: 'digits@2' })
    // Offsets are committed a moment after the predictions.
    await expect
      .poll(() => millraceJson(['status'], as('switcher', deployment)))
      .toMatchObject({ lag: 0, workers: [{ partitions: [0, 1] }] })
    await millraceJson(['models', 'push', 'models/bundles/biopsy@1.tar.gz', '--wait'], as('switcher', deployment))

    const consumed = await millrace(['consume', '--json'], as('reader', deployment))
    expect(consumed.stdout.trim().split('\n')).toHaveLength(20)
    const listed = await millraceJson(['dead-letter', 'list', '--count'], as('replayer', deployment))
    expect(listed).toMatchObject({ counts: [{ code: 'not-framed', count: 1 }] })
    const replayed = await millraceJson(['dead-letter', 'replay'], as('replayer', deployment))
    expect(replayed).toMatchObject({ records: 1 })
    expect((await worker.interrupt()).code).toBe(0)
  },
)

/** What a command that is refused says: one line. */
const refusal = async (args: readonly string[], options: { environment: Record<string, string> }): Promise<string> => {
  const { code, stderr } = await millrace(args, options)
  expect(code).toBe(1)
  expect(stderr.trim().split('\n')).toHaveLength(1)
  return stderr.trim()
}

test('what is not granted is refused in one line that says what, and what to do', async () => {
  const deployment = await secured()
  const { topics, name } = deployment
  const denied = (what: string) =>
    expect.stringMatching(new RegExp(`^millrace: the principal may not do this: ${what}.* Grant the ACLs`))
  const produce = ['produce', 'models/data/digits.jsonl', '--limit', '1']
  expect(await refusal(produce, as('reader', deployment))).toEqual(denied(topics.input))
  expect(await refusal(['consume'], as('producer', deployment))).toEqual(denied(topics.predictions))
  expect(await refusal(['dead-letter', 'list'], as('reader', deployment))).toEqual(denied(topics.deadLetter))
  expect(await refusal(['switch', 'digits@2'], as('reader', deployment))).toEqual(denied(topics.control))
  expect(await refusal(['models', 'push', 'models/bundles/biopsy@1.tar.gz'], as('reader', deployment))).toEqual(
    denied(topics.models),
  )
  const run = ['run', '--no-http', '--log-level', 'silent']
  expect(await refusal(run, as('nobody', deployment))).toEqual(denied(topics.input))

  const plan = planAcls(topics, name)
  const withoutGroup = [...plan.worker, ...plan.switcher].filter(({ resource }) => resource !== 'group')
  await grant('nobody', withoutGroup)
  expect(await refusal([...run, '--model', 'digits@1'], as('nobody', deployment))).toEqual(denied('.*[Gg]roup'))
  expect(await refusal(['status'], as('nobody', deployment))).toEqual(denied('.*[Gg]roup'))
})

test.each(['at-least-once', 'exactly-once'] as const)(
  '%s: a right to write that is missing is waited for in sight, and the same worker goes on once it is granted',
  async (delivery) => {
    const deployment = await secured()
    const { topics, name } = deployment
    const { worker: acls } = planAcls(topics, name)
    const missing = acls.filter(({ resource, name: one }) =>
      delivery === 'exactly-once' ? resource === 'transactional-id' : one === topics.predictions,
    )
    const pushes = acls.filter(({ name: one }) => one === topics.models)
    // What it may not even look at ends a worker when it starts; only pushes are no such reason.
    const seen = missing.map((acl) => ({ ...acl, operations: ['Describe'] as const }))
    await grant('nobody', [...acls.filter((acl) => !missing.includes(acl) && !pushes.includes(acl)), ...seen])
    await deployment.sendDigits(5)
    const { kafka } = deployment.settings
    const sasl = { mechanism: 'scram-sha-256', username: 'nobody', password } as const
    const worker = deployment.start({ brokers: [broker.sasl], kafka: { ...kafka, sasl }, delivery })
    const { detail } = await part(worker, 'publisher', 'waiting')
    expect(detail).toMatch(/the principal may not do this: .*(predictions|[Tt]ransactional)/)
    expect(worker.status.ready).toBe(false)
    expect((await part(worker, 'models', 'waiting')).detail).toMatch(/the principal may not do this: .*models/)
    await grant('nobody', [...missing, ...pushes])
    await deployment.answered()
    await part(worker, 'publisher', 'running')
    await part(worker, 'models', 'running')
    await ready(worker)
  },
)

test('a wrong password and an unknown user are told from a missing right', async () => {
  const deployment = await secured()
  for (const [mechanism, wrong] of [
    ['plain', { MILLRACE_SASL_PASSWORD: 'guess' }],
    ['scram-sha-256', { MILLRACE_SASL_PASSWORD: 'guess' }],
    ['scram-sha-512', { MILLRACE_SASL_USERNAME: 'stranger' }],
  ] as const) {
    const { environment } = as('reader', deployment, mechanism)
    expect((await millrace(['consume'], { environment })).code).toBe(0)
    expect(await refusal(['consume'], { environment: { ...environment, ...wrong } })).toMatch(
      /^millrace: the credentials were refused: .* Check user, password and mechanism\.$/,
    )
  }
})

test('TLS: the CA is given, the certificate is believed; a client certificate says who one is', async () => {
  const deployment = await secured()
  const { caFile } = broker
  const { environment } = as('reader', deployment)
  const tls = { ...environment, MILLRACE_BROKERS: broker.tls, MILLRACE_SSL_CA_FILE: caFile }
  expect((await millrace(['consume'], { environment: tls })).code).toBe(0)
  const { MILLRACE_SSL_CA_FILE: _, ...unknown } = tls
  expect(await refusal(['consume'], { environment: { ...unknown, MILLRACE_SSL: 'true' } })).toMatch(
    /^millrace: no TLS connection can be made: .*certificate/,
  )
  expect(await refusal(['consume'], { environment: unknown })).toMatch(/^millrace: Kafka cannot be reached/)
  expect(await refusal(['consume'], { environment: { ...environment, MILLRACE_SSL: 'true' } })).toMatch(
    /^millrace: Kafka cannot be reached: .* TLS /,
  )

  const { MILLRACE_DEPLOYMENT } = environment
  const mutual = (user: User) => ({
    MILLRACE_DEPLOYMENT,
    MILLRACE_BROKERS: broker.mutual,
    MILLRACE_SSL_CA_FILE: caFile,
    MILLRACE_SSL_CERT_FILE: broker.certificate(user).certFile,
    MILLRACE_SSL_KEY_FILE: broker.certificate(user).keyFile,
  })
  expect((await millrace(['consume'], { environment: mutual('reader') })).code).toBe(0)
  expect(await refusal(['consume'], { environment: mutual('producer') })).toMatch('the principal may not do this')
})
