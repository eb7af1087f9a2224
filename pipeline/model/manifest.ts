import { z } from 'zod'
import { MillraceError } from '../../stages/errors.js'
import type { TensorType } from '../../stages/ports.js'
import { type ListedFile, listedFiles, manifestFile, maxManifestBytes, requiredFiles } from './bundle-files.js'
import { budgetRules, stageBudget } from './stage-budget.js'

/** Elements in one row of one tensor: a 4096 × 4096 image. */
const maxRowWidth = 1 << 24

const tensorTypes = [
  'float32',
  'float64',
  'int64',
  'int32',
  'int16',
  'int8',
  'uint8',
  'uint16',
  'bool',
  'string',
] as const satisfies readonly TensorType[]

const aliases: Record<string, TensorType> = { float: 'float32', double: 'float64' }

const identifier = z
  .string()
  .max(100)
  .regex(/^[A-Za-z0-9_][A-Za-z0-9._-]*$/, 'only letters, digits, ".", "_" and "-", not beginning with "." or "-"')
const tensorName = z.string().min(1).max(500)

// Written once as an object: `{"field": "age"}` and `"age"` mean the same.
const field = z.preprocess(
  (value) => (typeof value === 'string' ? { field: value } : value),
  z.strictObject(
    {
      field: z.string().min(1).max(500),
      default: z.union([z.number(), z.boolean(), z.string().max(10_000)], 'a number, a boolean or a string').optional(),
      width: z.int().min(1).max(maxRowWidth).optional(),
    },
    { error: (issue) => (issue.code === 'invalid_type' ? 'a field name, or an object with "field"' : undefined) },
  ),
)

// Exporters write the batch dimension as -1 or null; a row has none.
const shape = z
  .preprocess(
    (value) => (Array.isArray(value) && (value[0] === null || value[0] === -1) ? value.slice(1) : value),
    z.array(z.int('a positive whole number').min(1, 'a positive whole number').max(maxRowWidth)).max(16),
  )
  .describe('of one row')

const elementType = z.preprocess(
  (value) => (typeof value === 'string' && Object.hasOwn(aliases, value) ? aliases[value] : value),
  z.enum(tensorTypes),
)

const input = z.strictObject({
  tensor: tensorName.describe('name of an input of the first graph'),
  type: elementType,
  shape,
  fields: z
    .array(field)
    .min(1)
    .max(1 << 20)
    .describe('fields of input.avsc, in the order of the columns; a dotted path goes into nested records'),
  allowNaN: z.boolean().default(false).describe('whether NaN and infinities may reach the model'),
})

const values = z.preprocess(
  (value) =>
    Array.isArray(value) && value.every((name) => typeof name === 'string')
      ? Object.fromEntries(value.map((name) => [name, name]))
      : value,
  z.record(z.string().min(1).max(500), tensorName, 'an object of name to tensor, or a list of tensors'),
)

const draft = z.strictObject({
  $schema: z.string().max(2000).optional().describe('JSON schema of this file, for editors'),
  schema: z.literal(1, 'this version reads manifests of schema 1'),
  name: identifier,
  version: identifier,
  inputs: z.array(input).min(1).max(4096),
  outputs: z.strictObject({
    label: tensorName.optional().describe('tensor of the class of each row'),
    scores: tensorName.optional().describe('tensor of the scores of each row'),
    values: values.default({}).describe('other tensors, by their name in the prediction'),
    labels: z.array(z.string().max(1000)).min(1).max(1_000_000).optional().describe('class names by index'),
  }),
  stages: z
    .strictObject({ preprocess: stageBudget, inference: stageBudget, postprocess: stageBudget })
    .partial()
    .optional()
    .describe('what may be asked of each: the workers of a deployment refuse a bundle that does not keep it'),
  files: z.unknown().optional(),
})

const digest = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'a SHA-256 digest in lower-case hex')
  .optional()

const files = z.strictObject(
  Object.fromEntries(listedFiles.map((name) => [name, digest])) as Record<ListedFile, typeof digest>,
  {
    error: (issue) =>
      issue.code === 'invalid_type'
        ? 'an object of file name to SHA-256 digest (`millrace bundle pack` fills it in)'
        : undefined,
  },
)

/** What the JSON schema for editors is made of. */
export const manifestParts = { draft, files, field, shape, elementType, values, aliases }

/** One input tensor as the manifest states it; `shape` is that of a row, without the batch dimension. */
export type ManifestInput = z.output<typeof input>

/** What `bundle.json` says, before its files are listed: what a person writes and `packBundle` completes. */
export type ManifestDraft = Omit<z.output<typeof draft>, 'files' | '$schema'>

/** What `bundle.json` says. */
export interface Manifest extends ManifestDraft {
  readonly files: Readonly<Partial<Record<ListedFile, string>>>
}

/** A manifest as it came and as it is understood: `raw` keeps the author's key order and spelling. */
export interface ParsedDraft {
  readonly raw: Readonly<Record<string, unknown>>
  readonly draft: ManifestDraft
}

export const manifestError = (what: string, cause?: unknown): MillraceError =>
  // What a manifest says may hold line breaks; an error is one line.
  new MillraceError('bundle-invalid', `${manifestFile}: ${what.replace(/\p{Cc}+/gu, ' ')}`, { cause })

/** Reads a manifest without looking at `files`. Throws `bundle-invalid`, naming the path in the JSON. */
export function parseDraft(bytes: Uint8Array): ParsedDraft {
  const raw = parseJson(bytes)
  const { files: _, $schema: __, ...manifest } = check(draft, raw, '')
  const { inputs, outputs } = manifest
  if (outputs.label === undefined && outputs.scores === undefined && Object.keys(outputs.values).length === 0)
    throw manifestError('outputs: name at least one of label, scores, values')
  for (const wrong of budgetRules(manifest.stages ?? {})) throw manifestError(`stages.${wrong}`)
  const seen = new Set<string>()
  inputs.forEach((input, index) => {
    if (seen.has(input.tensor)) throw manifestError(`inputs[${index}].tensor: ${input.tensor} is bound twice`)
    seen.add(input.tensor)
    checkWidths(input, `inputs[${index}]`)
  })
  return { raw: raw as Record<string, unknown>, draft: manifest }
}

/** Reads a complete manifest. Throws `bundle-invalid`, naming the path in the JSON, and nothing else. */
export function parseManifest(bytes: Uint8Array): Manifest {
  const { raw, draft } = parseDraft(bytes)
  const listed = check(files, raw.files, 'files')
  for (const name of requiredFiles) if (listed[name] === undefined) throw manifestError(`files: ${name} is missing`)
  return { ...draft, files: listed }
}

/** Elements in one row. */
export const rowWidth = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)

// Arrays without a width take what is left, which only the reader schema can tell; here each field is at least one column.
function checkWidths(input: ManifestInput, path: string): void {
  const width = rowWidth(input.shape)
  if (width > maxRowWidth) throw manifestError(`${path}.shape: more than ${maxRowWidth} elements a row`)
  const least = input.fields.reduce((sum, field) => sum + (field.width ?? 1), 0)
  const exact = input.fields.every((field) => field.width !== undefined)
  if (least > width || (exact && least < width))
    throw manifestError(`${path}.fields: ${least} columns for a row of ${width} (shape [${input.shape}])`)
}

function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length > maxManifestBytes) throw manifestError(`larger than ${maxManifestBytes} bytes`)
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw manifestError(`not JSON: ${(cause as Error).message}`, cause)
  }
}

function check<T extends z.ZodType>(type: T, value: unknown, at: string): z.output<T> {
  const result = type.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const path = (issue?.path ?? []).reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text ? `${text}.${String(key)}` : String(key)),
    at,
  )
  throw manifestError(`${path ? `${path}: ` : ''}${issue?.message ?? 'not a manifest'}`)
}
