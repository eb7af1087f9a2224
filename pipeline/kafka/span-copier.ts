/** Below this, copying word by word takes less time than making the view that `set` needs. */
const longSpan = 160

/**
 * Copies short spans of bytes into one buffer, mostly out of one and the same memory: of few bytes each, a loop over words is shorter than one over
 * bytes, and makes nothing, as `subarray` and `set` would.
 */
export class SpanCopier {
  private readonly to: DataView
  private memory: Buffer | undefined
  private from: DataView

  constructor(private readonly target: Buffer) {
    this.to = viewOf(target)
    this.from = this.to
  }

  /** Copies `length` bytes of `memory`, beginning with `from`, to `at`. Both have room for it. */
  copy(memory: Buffer, from: number, length: number, at: number): void {
    if (length >= longSpan) {
      this.target.set(memory.subarray(from, from + length), at)
      return
    }
    if (memory !== this.memory) {
      this.memory = memory
      this.from = viewOf(memory)
    }
    let i = 0
    for (; i + 4 <= length; i += 4) this.to.setInt32(at + i, this.from.getInt32(from + i))
    for (; i < length; i++) this.target[at + i] = memory[from + i]!
  }
}

const viewOf = ({ buffer, byteOffset, length }: Buffer): DataView => new DataView(buffer, byteOffset, length)
