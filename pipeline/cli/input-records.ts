/** Records from JSON lines or CSV, with the number of their line. Memory holds a chunk of the input, never all of it. */
import { pipeline, type Readable } from 'node:stream'
import { CsvError, parse as parseCsv } from 'csv-parse'
import { MillraceError } from '../../stages/errors.js'

export type InputFormat = 'json' | 'csv'

export interface InputRecord {
  /** where it begins, from 1 */
  readonly line: number
  /** fields by name; in CSV all of them are text */
  readonly fields: Readonly<Record<string, unknown>>
}

/** A line that is no record. */
export interface BadLine {
  readonly line: number
  readonly problem: string
}

export const isBad = (one: InputRecord | BadLine): one is BadLine => 'problem' in one

const maxLineBytes = 16 << 20
const csvBatch = 256

/** Yields what each chunk of the input holds, bad lines in their place. Throws `record-invalid` for a line too long to hold. */
export const readRecords = (input: Readable, format: InputFormat): AsyncGenerator<(InputRecord | BadLine)[]> =>
  format === 'csv' ? readCsv(input) : readJsonLines(input)

async function* readJsonLines(input: Readable): AsyncGenerator<(InputRecord | BadLine)[]> {
  const decoder = new TextDecoder()
  let rest = ''
  let line = 0
  for await (const chunk of input) {
    const lines = (rest + decoder.decode(chunk as Buffer, { stream: true })).split('\n')
    rest = lines.pop()!
    if (rest.length > maxLineBytes)
      throw new MillraceError('record-invalid', `line ${line + lines.length + 1} is longer than ${maxLineBytes} bytes`)
    const records = lines.flatMap((text) => parseLine(text, ++line))
    if (records.length > 0) yield records
  }
  const last = parseLine(rest + decoder.decode(), line + 1)
  if (last.length > 0) yield last
}

/** Nothing for an empty line. */
const parseLine = (text: string, line: number): (InputRecord | BadLine)[] => {
  if (text.trim() === '') return []
  try {
    const fields = JSON.parse(text)
    if (typeof fields === 'object' && fields !== null && !Array.isArray(fields)) return [{ line, fields }]
    return [{ line, problem: 'not a JSON object: write one record a line, {"field": value, …}' }]
  } catch (error) {
    return [{ line, problem: `not JSON: ${(error as Error).message}` }]
  }
}

async function* readCsv(input: Readable): AsyncGenerator<(InputRecord | BadLine)[]> {
  const skipped: BadLine[] = []
  const parser = parseCsv({
    columns: true,
    bom: true,
    info: true,
    trim: true,
    skip_empty_lines: true,
    max_record_size: maxLineBytes,
    skip_records_with_error: true,
    on_skip: (error) => {
      if (error) skipped.push({ line: lineOf(error), problem: error.message })
      return undefined
    },
  })
  // Ends the parser, too, when the input is destroyed; its errors come out of the loop below.
  pipeline(input, parser, () => undefined)
  let records: (InputRecord | BadLine)[] = []
  try {
    for await (const { record, info } of parser) {
      records.push(...skipped.splice(0), { line: info.lines, fields: record })
      if (records.length < csvBatch && parser.readableLength > 0) continue
      yield records
      records = []
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    throw new MillraceError('record-invalid', `line ${lineOf(error)}: ${error.message}`, { cause: error })
  }
  const last = [...records, ...skipped]
  if (last.length > 0) yield last
}

const lineOf = (error: CsvError): number => Number((error as { lines?: unknown }).lines ?? 0)
