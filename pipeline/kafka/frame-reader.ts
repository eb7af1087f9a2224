/** Larger than any response that a broker is asked for: whoever says so does not speak Kafka's protocol. */
const largestFrame = 256 * 1024 * 1024
const lengthBytes = 4

export interface FrameTarget {
  /** Memory for a frame of so many bytes. */
  allocate(bytes: number): Buffer
  onFrame(frame: Buffer): void
  /** What came is no frame: from here on it is handed on as it comes. */
  onLost(bytes: Buffer): void
}

/** Puts the responses of a broker together, each with the four bytes of its length before it: what comes in pieces is copied once. */
export class FrameReader {
  private readonly length = Buffer.alloc(lengthBytes)
  /** bytes of `length`, and then of the frame, that are there */
  private filled = 0
  private frame: Buffer | undefined
  private lost = false

  constructor(private readonly target: FrameTarget) {}

  /** Takes in what was received; the memory is the caller's again afterwards. */
  read(bytes: Buffer): void {
    if (this.lost) {
      this.target.onLost(Buffer.from(bytes))
      return
    }
    for (let at = 0; at < bytes.length && !this.lost; ) {
      at += this.frame ? this.fill(this.frame, bytes, at) : this.readLength(bytes, at)
      if (this.lost) this.target.onLost(Buffer.concat([this.length, bytes.subarray(at)]))
      else if (this.frame && this.filled === this.frame.length) this.end(this.frame)
    }
  }

  private readLength(bytes: Buffer, at: number): number {
    const copied = this.fill(this.length, bytes, at)
    if (this.filled === lengthBytes) {
      const length = this.length.readInt32BE()
      this.lost = length < 0 || length > largestFrame
      if (!this.lost) {
        this.frame = this.target.allocate(lengthBytes + length)
        this.length.copy(this.frame)
      }
    }
    return copied
  }

  private fill(target: Buffer, bytes: Buffer, at: number): number {
    const copied = bytes.copy(target, this.filled, at)
    this.filled += copied
    return copied
  }

  private end(frame: Buffer): void {
    this.frame = undefined
    this.filled = 0
    this.target.onFrame(frame)
  }
}
