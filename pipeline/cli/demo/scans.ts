/** The records of the demo: scans of handwritten digits that no model was trained on, with what they really show. */
import { readFile } from 'node:fs/promises'
import { packageFile } from '../package-files.js'

export interface Scan {
  readonly id: string
  /** 8 × 8, row by row, 0 (paper) to 16 (ink) */
  readonly pixels: readonly number[]
  /** the digit that was written */
  readonly label: string
}

export interface Scans {
  readonly all: readonly Scan[]
  readonly byId: ReadonlyMap<string, Scan>
  /** Avro schema (JSON) of a record */
  readonly schema: unknown
}

export const readScans = async (): Promise<Scans> => {
  const [lines, schema] = await Promise.all(
    ['models/data/digits.jsonl', 'models/data/digits.avsc'].map((path) => readFile(packageFile(path), 'utf8')),
  )
  const all = lines!
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Scan)
  return { all, byId: new Map(all.map((scan) => [scan.id, scan])), schema: JSON.parse(schema!) }
}
