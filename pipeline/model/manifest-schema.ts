import { z } from 'zod'
import { manifestParts } from './manifest.js'

const { draft, files, field, shape, elementType, values, aliases } = manifestParts

type Json = Record<string, unknown>

/**
 * The JSON schema of `bundle.json`, for editors: what a person may write, with the spellings that are read as one another. Rules across
 * fields (widths that add up, fields that `input.avsc` has) are not in it: `millrace bundle check` knows them.
 * `schemas/bundle.schema.json` holds it; a test compares the two.
 */
export function manifestJsonSchema(): Json {
  const manifest = draft.extend({ files: files.optional().describe('SHA-256 by file name; `bundle pack` fills it in') })
  return {
    ...z.toJSONSchema(manifest, {
      io: 'input',
      override: ({ zodSchema, jsonSchema }) => respell(zodSchema, jsonSchema),
    }),
    title: 'Manifest of a Millrace bundle',
  }
}

/** What parsing takes before it makes one spelling of it is lost on the way to JSON schema. */
function respell(schema: unknown, json: Json): void {
  if (schema === field) either(json, { type: 'string', minLength: 1 })
  else if (schema === values) either(json, { type: 'array', items: { type: 'string', minLength: 1 } })
  else if (schema === elementType) json.enum = [...(json.enum as string[]), ...Object.keys(aliases)]
  else if (schema === shape) {
    const { items } = json
    json.prefixItems = [{ anyOf: [items, { const: -1 }, { type: 'null' }] }]
    json.maxItems = (json.maxItems as number) + 1
  }
}

function either(json: Json, other: Json): void {
  const strict = { ...json }
  for (const key of Object.keys(json)) delete json[key]
  json.anyOf = [other, strict]
}
