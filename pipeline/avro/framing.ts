/**
 * The Confluent wire format, as every Avro serializer for the schema registry writes it:
 *
 *   byte   0        magic, 0
 *   bytes  1 … 4    id of the writer's schema, big-endian; registries give out signed ids from 1 (0 is possible)
 *   bytes  5 …      the datum in Avro binary encoding, without a header of its own
 */

export const magicByte = 0
/** where the datum begins */
export const headerBytes = 5

/** The schema id of a framed value; undefined when it is not framed. */
export function schemaIdOf(value: Buffer): number | undefined {
  return schemaIdAt(value, 0, value.length)
}

/** The same of a value that lies in a larger memory. */
export function schemaIdAt(memory: Buffer, at: number, length: number): number | undefined {
  return length >= headerBytes && memory[at] === magicByte ? memory.readInt32BE(at + 1) : undefined
}

/** Writes the header at `at`; returns where the datum begins. */
export function writeHeader(target: Buffer, at: number, schemaId: number): number {
  target[at] = magicByte
  return target.writeInt32BE(schemaId, at + 1)
}

/** A framed copy of a datum. */
export function frame(schemaId: number, datum: Uint8Array): Buffer {
  const value = Buffer.allocUnsafe(headerBytes + datum.length)
  value.set(datum, writeHeader(value, 0, schemaId))
  return value
}
