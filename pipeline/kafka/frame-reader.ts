/** Larger than any response that a broker is asked for: whoever says so does not speak Kafka's protocol. */
const largestFrame = 256 * 1024 * 1024
const lengthBytes = 4
/** bytes of a frame that are worth a read of their own */
const leastRoom = 32 * 1024

export interface FrameTarget {
  /** Memory for a frame of so many bytes. */
  allocate(bytes: number): Buffer
  onFrame(frame: Buffer): void
  /** What came is no frame: from here on it is handed on as it comes. */
  onLost(bytes: Buffer): void
}

/**
 * Puts the responses of a broker together, each with the four bytes of its length before it. What comes is copied once, or not at all where it
 * was put into the `room` of the frame.
 */
export class FrameReader {
  private readonly length = Buffer.alloc(lengthBytes)
  /** bytes of `length`, and then of the frame, that are there */
  private filled = 0
  private frame: Buffer | undefined
  private lost = false

  constructor(private readonly target: FrameTarget) {}

  /** Where the next bytes belong: the rest of a frame of which much is missing; undefined where it is not known yet, or not worth it. */
  get room(): Buffer | undefined {
    if (this.lost || !this.frame || this.frame.length - this.filled < leastRoom) return undefined
    return this.frame.subarray(this.filled)
  }

  /** Takes in what was received, in the `room` or elsewhere; the memory is the caller's again afterwards. */
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
    const copied = isRest(bytes, target, this.filled) ? bytes.length : bytes.copy(target, this.filled, at)
    this.filled += copied
    return copied
  }

  private end(frame: Buffer): void {
    this.frame = undefined
    this.filled = 0
    this.target.onFrame(frame)
  }
}

/** Whether the bytes lie already where they are to be copied to. */
const isRest = (bytes: Buffer, target: Buffer, filled: number): boolean =>
  bytes.buffer === target.buffer && bytes.byteOffset === target.byteOffset + filled
