import { MemoryPool } from '../../stages/lent-memory.js'
import { PlacedRecord } from '../../stages/placed-records.js'
import type { DecodedRows, RecordDecoder, Rejected, ScoringPlan, SourceRecord } from '../../stages/ports.js'
import { BoundedCache } from './bounded-cache.js'
import { type Column, createColumns, openColumns, takeColumns } from './columns.js'
import { Cursor } from './cursor.js'
import { type EchoRow, type EchoTarget, echoTargets } from './echo.js'
import { schemaIdAt, schemaIdOf } from './framing.js'
import type { SchemaRegistry } from './registry.js'
import { compileRowReader, type RowReader } from './row-reader.js'

export interface RecordDecoderOptions {
  readonly registry: Pick<SchemaRegistry, 'known' | 'fetch'>
  /** names (or dotted paths) of fields of the written record to carry along */
  readonly echo?: readonly string[]
}

/** What is kept for a plan: its columns, and a reader for each schema that was met. */
interface Prepared {
  readonly columns: readonly Column[]
  readonly echo: EchoRow
  readonly echoTargets: readonly EchoTarget[]
  readonly readers: BoundedCache<number, RowReader>
}

/** of one plan */
const maxReaders = 256
const fetchesAtOnce = 8
/** rows of batches that have left may wait in so much memory for the next */
const spareBytes = 16 * 1024 * 1024

/**
 * Reads the records' bytes straight into the tensors of the plan. For each pair of writer's schema and plan a reader is compiled once and
 * kept as long as the plan lives; no object is made of a record. Rows of rejected records are written over by the next.
 */
export function createRecordDecoder({ registry, echo = [] }: RecordDecoderOptions): RecordDecoder {
  const plans = new WeakMap<ScoringPlan, Prepared>()
  const cursor = new Cursor()
  const pool = new MemoryPool(spareBytes)

  function prepare(plan: ScoringPlan): Prepared {
    let prepared = plans.get(plan)
    if (!prepared) {
      const row: EchoRow = { row: {} }
      const readers = new BoundedCache<number, RowReader>(maxReaders)
      prepared = { columns: createColumns(plan), echo: row, echoTargets: echoTargets(echo, row), readers }
      plans.set(plan, prepared)
    }
    return prepared
  }

  function compile(id: number, schema: unknown, plan: ScoringPlan): RowReader {
    const { columns, echoTargets, readers } = prepare(plan)
    const reader = compileRowReader(id, schema, plan, columns, echoTargets)
    readers.set(id, reader)
    return reader
  }

  /** The readers of all schemas that the records name, save those that have to be fetched: they are in `toFetch`. */
  function gather(records: readonly SourceRecord[], plan: ScoringPlan) {
    const { readers } = prepare(plan)
    const gathered = new Map<number, RowReader>()
    const toFetch = new Set<number>()
    let last: number | undefined
    for (let i = 0; i < records.length; i++) {
      const id = schemaIdOfRecord(records[i]!)
      if (id === undefined || id === last || gathered.has(id) || toFetch.has(id)) continue
      last = id
      const schema = readers.get(id) ? undefined : registry.known(id)
      const reader = readers.get(id) ?? (schema === undefined ? undefined : compile(id, schema, plan))
      if (reader) gathered.set(id, reader)
      else toFetch.add(id)
    }
    return { gathered, toFetch }
  }

  async function fetchReaders(ids: ReadonlySet<number>, readers: Map<number, RowReader>, plan: ScoringPlan) {
    const rest = ids.values()
    const fetchRest = async () => {
      for (const id of rest) {
        const schema = await registry.fetch(id)
        readers.set(id, schema === undefined ? unknownSchema(id) : compile(id, schema, plan))
      }
    }
    await Promise.all(Array.from({ length: Math.min(fetchesAtOnce, ids.size) }, fetchRest))
  }

  function read(
    records: readonly SourceRecord[],
    readers: ReadonlyMap<number, RowReader>,
    { columns, echo: echoRow }: Prepared,
  ): DecodedRows {
    const rejected = new Map<number, Rejected>()
    const echoes: Record<string, string>[] | undefined = echo.length > 0 ? [] : undefined
    openColumns(columns, records.length, pool)
    let count = 0
    let lastId: number | undefined
    let reader: RowReader | undefined
    for (let i = 0; i < records.length; i++) {
      const record = records[i]!
      const id = schemaIdOfRecord(record)
      if (id !== lastId) reader = id === undefined ? undefined : readers.get(id)
      lastId = id
      if (echoes) echoRow.row = {}
      const failure = reader ? readRecord(reader, cursor, record, count) : unframed(record.value)
      if (failure) rejected.set(i, failure)
      else {
        echoes?.push(echoRow.row)
        count++
      }
    }
    cursor.close()
    return { rows: { count, columns: takeColumns(columns, count) }, rejected, echo: echoes }
  }

  return {
    decode(records, plan) {
      const { gathered, toFetch } = gather(records, plan)
      if (toFetch.size === 0) return read(records, gathered, prepare(plan))
      return fetchReaders(toFetch, gathered, plan).then(() => read(records, gathered, prepare(plan)))
    },
  }
}

function schemaIdOfRecord(record: SourceRecord): number | undefined {
  if (record instanceof PlacedRecord) return schemaIdAt(record.batch.bytes, record.valueAt, record.valueLength)
  const { value } = record
  return value ? schemaIdOf(value) : undefined
}

/** Of a value that is framed. */
function readRecord(reader: RowReader, cursor: Cursor, record: SourceRecord, row: number): Rejected | undefined {
  if (record instanceof PlacedRecord) return reader(cursor, record.batch.bytes, record.valueAt, record.valueLength, row)
  const value = record.value!
  return reader(cursor, value, 0, value.length, row)
}

const unknownSchema = (id: number): RowReader => {
  const rejected = { code: 'unknown-schema', reason: `the registry has no schema ${id}` } as const
  return () => rejected
}

function unframed(value: Buffer | null): Rejected {
  if (value === null) return { code: 'tombstone', reason: 'the value is null' }
  if (value.length === 0) return { code: 'empty-value', reason: 'the value is empty' }
  return {
    code: 'not-framed',
    reason: `${value.length} bytes that begin with ${value[0]}, where 0 and a schema id have to be`,
  }
}
