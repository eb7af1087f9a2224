/**
 * The operators of which the pipe is made, the ports behind which Kafka, Avro and ONNX stand, and the error table. They know only RxJS.
 *
 * @module stages
 */

export * from './admit.js'
export * from './await-fences.js'
export * from './commit.js'
export * from './credits.js'
export * from './dead-letter.js'
export * from './deadline.js'
export * from './decode.js'
export * from './encode.js'
export * from './errors.js'
export * from './idleness.js'
export * from './infer.js'
export * from './leases.js'
export * from './micro-batch.js'
export * from './ports.js'
export * from './publish.js'
export * from './refund.js'
export * from './shadow.js'
export * from './stage.js'
export * from './transact.js'
export * from './watermarks.js'
export * from './withhold.js'
