/** Every setting as one line of a list, made from the schema of the configuration: its path, its kind, its environment variable. */
import { configJsonSchema } from './config.js'
import { nearest } from './nearest.js'

export interface Setting {
  /** dotted: kafka.ssl.caFile */
  readonly path: string
  readonly kind: 'text' | 'number' | 'boolean' | 'list' | 'group'
  readonly environment: string
  readonly description: string
}

interface Schema {
  readonly type?: string
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly anyOf?: readonly Schema[]
}

/** Where the usual name is shorter than the path. */
const usualNames: Readonly<Record<string, string>> = {
  'kafka.ssl': 'MILLRACE_SSL',
  'kafka.ssl.caFile': 'MILLRACE_SSL_CA_FILE',
  'kafka.ssl.certFile': 'MILLRACE_SSL_CERT_FILE',
  'kafka.ssl.keyFile': 'MILLRACE_SSL_KEY_FILE',
  'kafka.ssl.rejectUnauthorized': 'MILLRACE_SSL_REJECT_UNAUTHORIZED',
  'kafka.sasl.mechanism': 'MILLRACE_SASL_MECHANISM',
  'kafka.sasl.username': 'MILLRACE_SASL_USERNAME',
  'kafka.sasl.password': 'MILLRACE_SASL_PASSWORD',
  'registryAuth.username': 'MILLRACE_REGISTRY_USERNAME',
  'registryAuth.password': 'MILLRACE_REGISTRY_PASSWORD',
}

/** batch.maxDelayMs → MILLRACE_BATCH_MAX_DELAY_MS */
const environmentName = (path: string): string =>
  usualNames[path] ??
  `MILLRACE_${path
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .replaceAll('.', '_')
    .toUpperCase()}`

const kinds: Readonly<Record<string, Setting['kind']>> = {
  string: 'text',
  integer: 'number',
  number: 'number',
  boolean: 'boolean',
  array: 'list',
}

function* walk(schema: Schema, path: string): Generator<Setting> {
  const variants = schema.anyOf ?? [schema]
  const plain = variants.find(({ type }) => type !== undefined && type !== 'object')
  if (path !== '') {
    const kind = (plain?.type !== undefined && kinds[plain.type]) || 'group'
    yield { path, kind, environment: environmentName(path), description: schema.description ?? '' }
  }
  for (const { properties = {} } of variants)
    for (const [name, inner] of Object.entries(properties)) yield* walk(inner, path === '' ? name : `${path}.${name}`)
}

/** Groups before what is in them. */
export const settings: readonly Setting[] = [...walk(configJsonSchema() as Schema, '')]

const byPath = new Map(settings.map((setting) => [setting.path, setting]))

export const settingAt = (path: string): Setting | undefined => byPath.get(path)

/** The setting that was probably meant by a path that is none. */
export const nearestSetting = (path: string): string | undefined => {
  const name = path.slice(path.lastIndexOf('.') + 1)
  // Written at the wrong place, or misspelt.
  const sameName = settings.find((setting) => setting.path.split('.').at(-1) === name)
  return sameName?.path ?? nearest(path, [...byPath.keys()])
}
