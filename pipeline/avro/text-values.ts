import type avro from 'avsc'
import { arrayItems, isNull, isUnion, unionBranches } from './types.js'

/**
 * The text of a column as its type has it. Arrays are JSON, or items with spaces, semicolons or commas between them; records and maps are
 * JSON. An empty column is an empty string where the type is that, and otherwise nothing: the default or null. What cannot be read as the
 * type stays the text that it is, for the encoder to refuse.
 */
export function coerceText(type: avro.Type, text: string | undefined): unknown {
  if (text === undefined) return undefined
  const branches = isUnion(type) ? unionBranches(type) : [type]
  if (text === '')
    return branches.some(({ typeName }) => typeName === 'string') && !branches.some(isNull) ? '' : undefined
  for (const branch of branches) {
    const value = coerce(branch, text.trim(), text)
    if (value !== undefined) return value
  }
  return text
}

const truths: Readonly<Record<string, boolean>> = { true: true, '1': true, false: false, '0': false }

function coerce(type: avro.Type, trimmed: string, text: string): unknown {
  switch (type.typeName) {
    case 'null':
      return undefined
    case 'boolean':
      return truths[trimmed.toLowerCase()]
    case 'int':
    case 'long':
      return wholeNumber(trimmed)
    case 'float':
    case 'double':
      return decimal(trimmed)
    case 'array':
      return trimmed.startsWith('[')
        ? json(trimmed)
        : trimmed.split(/[\s;,]+/).map((one) => coerceText(arrayItems(type), one))
    case 'map':
    case 'record':
      return json(trimmed)
    default:
      return text
  }
}

/** Tables made from floats write whole numbers as 5.0. */
function wholeNumber(text: string): number | string | undefined {
  const match = /^([+-]?\d+)(?:\.0*)?$/.exec(text)
  if (!match) return undefined
  const number = Number(match[1])
  return Number.isSafeInteger(number) ? number : match[1]!.replace('+', '')
}

function decimal(text: string): number | undefined {
  if (/^nan$/i.test(text)) return Number.NaN
  const infinite = /^([+-]?)inf(inity)?$/i.exec(text)
  if (infinite) return infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  const number = Number(text)
  return Number.isNaN(number) ? undefined : number
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
