/**
 * Memory that is lent to what passes through the pipe, and used again once the last of it has left. Large buffers are the one thing that the
 * pipe would otherwise make without end: V8 collects its whole heap again for every few dozen megabytes of them, and the kernel clears
 * every page anew. What is never given back is not used again, and left to the garbage collector.
 */
import { PlacedRecord } from './placed-records.js'
import type { Decoded, SourceRecord } from './ports.js'
import { giveBackRecord } from './record-pool.js'

/** One buffer on loan. It is back in its pool as soon as as much is released as was held. */
export interface LentMemory {
  hold(count: number): void
  /** Throws `RangeError` for more than is held: somebody may still be reading. */
  release(count: number): void
}

/** shorter ones cost less to make than to look after */
const shortestBytes = 65_536
/** a buffer is used for what fills this part of it, and no less */
const leastUse = 1 / 8

const loans = new WeakMap<ArrayBufferLike, LentMemory>()

/** The loan that a view looks at. */
export const loanOf = ({ buffer }: ArrayBufferView): LentMemory | undefined => loans.get(buffer)

export class MemoryPool {
  private readonly free: ArrayBuffer[] = []
  private freeBytes = 0

  /** `maxBytes`: how much may lie unused */
  constructor(private readonly maxBytes: number) {}

  /** At least `bytes` bytes with whatever is in them; nothing is held yet. */
  take(bytes: number): ArrayBuffer {
    const memory = this.fitting(bytes) ?? new ArrayBuffer(2 ** Math.ceil(Math.log2(Math.max(shortestBytes, bytes))))
    let held = 0
    loans.set(memory, {
      hold(count) {
        held += count
      },
      release: (count) => {
        if (count > held) throw new RangeError(`release of ${count}, held are ${held}`)
        held -= count
        if (held === 0 && count > 0) this.giveBack(memory)
      },
    })
    return memory
  }

  private fitting(bytes: number): ArrayBuffer | undefined {
    const at = this.free.findIndex(({ byteLength }) => byteLength >= bytes && bytes >= byteLength * leastUse)
    if (at < 0) return undefined
    const [memory] = this.free.splice(at, 1)
    this.freeBytes -= memory!.byteLength
    return memory
  }

  private giveBack(memory: ArrayBuffer): void {
    loans.delete(memory)
    if (memory.byteLength > this.maxBytes) return
    while (this.free.length > 0 && this.freeBytes + memory.byteLength > this.maxBytes)
      this.freeBytes -= this.free.shift()!.byteLength
    this.free.push(memory)
    this.freeBytes += memory.byteLength
  }
}

/** Of a part that has left the pipe: its records, and what they and its rows were lent. Not to be called where somebody still reads them. */
export const releaseMemory = ({ records, rows }: Decoded): void => {
  releaseRecords(records)
  for (const column of rows.columns) if (!Array.isArray(column)) loanOf(column)?.release(rows.count)
}

const releaseRecords = (records: readonly SourceRecord[]): void => {
  let loan: LentMemory | undefined
  let count = 0
  for (const record of records) {
    const own = record instanceof PlacedRecord ? record.batch.loan : undefined
    if (own !== loan) {
      loan?.release(count)
      loan = own
      count = 0
    }
    count++
    giveBackRecord(record)
  }
  loan?.release(count)
}
