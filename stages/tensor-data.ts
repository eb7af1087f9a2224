import type { TensorData, TensorType } from './ports.js'

/** What holds the elements of a numeric tensor, as ONNX Runtime takes it: booleans are bytes. */
export const tensorArrays = {
  float32: Float32Array,
  float64: Float64Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  bool: Uint8Array,
} as const satisfies Record<Exclude<TensorType, 'string'>, unknown>

/** Zeros, or empty strings. */
export function allocate(type: TensorType, length: number): TensorData {
  return type === 'string' ? new Array<string>(length).fill('') : new tensorArrays[type](length)
}
