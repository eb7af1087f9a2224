import type avro from 'avsc'
import type { Answer, Reference, RegistryClient } from './registry-client.js'
import { parseType } from './types.js'

/** More than this, nested or not, is not followed. */
const maxReferences = 100

/**
 * The schema of an answer as JSON that stands alone: what it refers to under other subjects is written out in it. A schema that is not Avro,
 * or whose references lead nowhere, comes back as a text that says so: no type can be made of it, which is the reader's to tell.
 */
export async function resolveReferences(answer: Answer, client: RegistryClient): Promise<unknown> {
  const { schemaType = 'AVRO', references = [] } = answer
  if (schemaType !== 'AVRO') return `${schemaType} schema`
  if (references.length === 0) return parsed(answer.schema)
  const found = new Map<string, Answer>()
  const missing = await collect(references, client, found)
  if (missing) return missing
  return inlined([...found.values(), answer])
}

/** Collects into `found`, what is referred to before what refers to it; a text when that cannot be done. */
async function collect(
  references: readonly Reference[],
  client: RegistryClient,
  found: Map<string, Answer>,
  depth = 0,
): Promise<string | undefined> {
  for (const { name, subject, version } of references) {
    const key = `${subject} ${version}`
    if (found.has(key)) continue
    if (depth > 16 || found.size >= maxReferences) return 'a schema with too many references'
    const answer = await client.version(subject, version)
    if (!answer) return `a reference to ${name}, which the registry does not have as version ${version} of ${subject},`
    const missing = await collect(answer.references ?? [], client, found, depth + 1)
    if (missing) return missing
    found.set(key, answer)
  }
  return undefined
}

/** The last of the schemas; the types of those before it are known by name. */
function inlined(answers: readonly Answer[]): unknown {
  const registry: Record<string, avro.Type> = {}
  try {
    const types = answers.map(({ schema }) => parseType(JSON.parse(schema), { registry }))
    return types.at(-1)?.schema({ exportAttrs: true })
  } catch (error) {
    return `a schema whose references do not fit (${error instanceof Error ? error.message : error})`
  }
}

function parsed(schema: string): unknown {
  try {
    return JSON.parse(schema)
  } catch {
    // The registry lets a bare name pass: `string` for `"string"`.
    return schema
  }
}
