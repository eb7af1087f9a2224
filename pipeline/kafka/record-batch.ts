/**
 * The record batch of magic 2, as Kafka writes it since 0.11 (DefaultRecordBatch.java). Big endian; a varint is zig-zag.
 *
 *      0  base offset             int64   0 from a producer: the broker gives offsets
 *      8  length                  int32   bytes after this field
 *     12  partition leader epoch  int32
 *     16  magic                   int8    2
 *     17  crc                     uint32  CRC-32C of all that follows
 *     21  attributes              int16   bits 0-2 compression, 3 log append time, 4 transactional, 5 control
 *     23  last offset delta       int32
 *     27  base timestamp          int64
 *     35  max timestamp           int64
 *     43  producer id             int64   -1 without idempotence
 *     51  producer epoch          int16
 *     53  base sequence           int32
 *     57  record count            int32
 *     61  records                         compressed as a whole
 *
 *     record: length varint, attributes int8, timestamp delta varlong, offset delta varint, key and value (length varint, -1 for null,
 *             then bytes), header count varint, headers (key as a string, value as bytes)
 */
export const batch = {
  length: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  count: 57,
  records: 61,
} as const

export const magic = 2

export const attribute = { compression: 0x07, logAppendTime: 0x08, transactional: 0x10, control: 0x20 } as const
