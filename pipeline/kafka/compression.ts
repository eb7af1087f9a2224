/**
 * The codecs that kafkajs leaves out, without which a compressed topic cannot be read, and gzip with a limit. Formats as the Java client
 * writes them: snappy in xerial's stream framing (raw blocks are read too, as librdkafka writes them), lz4 and zstd in their own frames.
 */
import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import kafkajs from 'kafkajs'
import { compressFrame, decompressFrame } from 'lz4-napi'
import { compress as compressSnappy, uncompress as uncompressSnappy } from 'snappy'
import { MillraceError } from '../../stages/errors.js'

interface Codec {
  compress(encoder: { buffer: Buffer }): Promise<Buffer>
  decompress(bytes: Buffer): Promise<Buffer>
}

/*
 * xerial's framing:  82 'SNAPPY' 00 | version int32 | compatible with int32 | { length int32, raw snappy block }…
 */
const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const xerialHeader = Buffer.concat([xerialMagic, Buffer.from([0, 0, 0, 1, 0, 0, 0, 1])])
const xerialBlockBytes = 32 * 1024

const snappy: Codec = {
  async compress({ buffer }) {
    const parts: Buffer[] = [xerialHeader]
    for (let at = 0; at < buffer.length; at += xerialBlockBytes) {
      const block = await compressSnappy(buffer.subarray(at, at + xerialBlockBytes))
      const length = Buffer.alloc(4)
      length.writeInt32BE(block.length)
      parts.push(length, block)
    }
    return Buffer.concat(parts)
  },
  async decompress(bytes) {
    if (!bytes.subarray(0, xerialMagic.length).equals(xerialMagic)) return uncompressWhole(bytes)
    const blocks: Buffer[] = []
    let at = xerialHeader.length
    while (at < bytes.length) {
      const length = bytes.readInt32BE(at)
      if (length <= 0 || at + 4 + length > bytes.length) throw new Error(`a snappy block of ${length} bytes`)
      blocks.push(await uncompressWhole(bytes.subarray(at + 4, at + 4 + length)))
      at += 4 + length
    }
    return Buffer.concat(blocks)
  },
}

/** No element of snappy's is more than 64 bytes from 3, so nobody needs a buffer as long as a forged length says. */
const uncompressWhole = async (bytes: Buffer): Promise<Buffer> => {
  if (snappyLength(bytes) > bytes.length * 64) throw new Error('snappy bytes that claim to be longer than they can be')
  return (await uncompressSnappy(bytes, { asBuffer: true })) as Buffer
}

/** The varint that a raw block begins with. */
const snappyLength = (bytes: Buffer): number => {
  let length = 0
  for (let at = 0; at < Math.min(5, bytes.length); at++) {
    length += (bytes[at]! & 0x7f) * 0x80 ** at
    if (bytes[at]! < 0x80) break
  }
  return length
}

const lz4: Codec = {
  compress: ({ buffer }) => compressFrame(buffer),
  decompress: (bytes) => decompressFrame(bytes),
}

/** The longest batch that is unpacked: a few bytes can claim to be gigabytes. */
const maxOutputLength = 64 << 20
const gzipBytes = promisify(zlib.gzip)
const gunzipBytes = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.unzip)

const gzip: Codec = {
  compress: ({ buffer }) => gzipBytes(buffer),
  decompress: (bytes) => gunzipBytes(bytes, { maxOutputLength }),
}

type ZstdFunctions = Partial<
  Record<
    'zstdCompress' | 'zstdDecompress',
    (
      bytes: Buffer,
      options: { maxOutputLength?: number },
      callback: (error: Error | null, result: Buffer) => void,
    ) => void
  >
>
const { zstdCompress, zstdDecompress } = zlib as ZstdFunctions

/** kafkajs retries what does not say that it is not worth it */
const zstdMissing = () =>
  Object.assign(
    new MillraceError(
      'config-invalid',
      `zstd needs Node 22.15 or newer, this is ${process.version}: upgrade, or compress with lz4`,
    ),
    { retriable: false },
  )

const zstd: Codec = {
  async compress({ buffer }) {
    if (!zstdCompress) throw zstdMissing()
    return promisify(zstdCompress)(buffer, {})
  },
  async decompress(bytes) {
    if (!zstdDecompress) throw zstdMissing()
    return promisify(zstdDecompress)(bytes, { maxOutputLength })
  },
}

/** Whether this Node can read and write zstd. */
export const zstdAvailable = zstdCompress !== undefined && zstdDecompress !== undefined

/** Registers the codecs with kafkajs, which keeps them in one table for the process. Idempotent. */
export const registerCompression = (): void => {
  const { CompressionCodecs, CompressionTypes } = kafkajs
  CompressionCodecs[CompressionTypes.GZIP] = () => gzip
  CompressionCodecs[CompressionTypes.Snappy] = () => snappy
  CompressionCodecs[CompressionTypes.LZ4] = () => lz4
  CompressionCodecs[CompressionTypes.ZSTD] = () => zstd
}
