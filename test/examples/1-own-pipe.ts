/**
 * A pipe of one's own: the operators of Millrace between real topics, with one stage that Millrace does not have. A prediction that the model
 * is not sure of says so, instead of guessing.
 *
 *   node dist/test/examples/1-own-pipe.js        with MILLRACE_BROKERS, MILLRACE_REGISTRY and MILLRACE_DEPLOYMENT; Ctrl-C ends it
 */
import { openPorts } from 'millrace'
import {
  commit,
  createCredits,
  createLeases,
  decode,
  encode,
  infer,
  microBatch,
  publish,
  refund,
  type Scored,
} from 'millrace/stages'
import { finalize, lastValueFrom, map } from 'rxjs'

/** A stage of one's own is any RxJS operator. What flows is batches: `scores` holds the scores of all rows, one row after the other. */
const admitDoubt = (least: number) =>
  map((batch: Scored): Scored => {
    const { labels, scores, scoresWidth } = batch.outputs
    const best = (row: number) => Math.max(...scores.subarray(row * scoresWidth, (row + 1) * scoresWidth))
    const honest = labels?.map((label, row) => (best(row) < least ? 'not sure' : label)) ?? null
    return { ...batch, outputs: { ...batch.outputs, labels: honest } }
  })

// Kafka, Avro and ONNX, each behind an interface of `millrace/stages`.
const ports = await openPorts({
  deployment: process.env.MILLRACE_DEPLOYMENT!,
  brokers: process.env.MILLRACE_BROKERS!.split(','),
  registry: process.env.MILLRACE_REGISTRY!,
})
const { config, source, decoder, encoder, publisher } = ports
const generation = await ports.load('digits@1')
// One model for all records, for ever. Workers ask the fences here.
const choice = { choose: () => ({ generation, until: Number.POSITIVE_INFINITY }) }

// A pipe lives as long as the assignment of its partitions. Credits bound what is in it at once; they come back when all is committed.
const pipe = source.open((assignment) => {
  const credits = createCredits(config.credits)
  const leases = createLeases()
  return assignment.records(credits).pipe(
    decode({ choice, decoder, leases }),
    microBatch({ limits: () => config.batch, leases }),
    infer({ concurrency: 2 }),
    admitDoubt(0.7),
    encode({ encoder, maxRecordBytes: config.maxOutputBytes }),
    publish({ publisher }),
    commit({ committer: (offsets) => assignment.commit(offsets), everyMs: config.commitIntervalMs }),
    refund({ credits, leases }),
    finalize(() => leases.releaseAll()),
  )
})

process.once('SIGINT', () => void source.stop())
console.log(`${generation.model} scores ${config.topics.input}`)
await lastValueFrom(pipe, { defaultValue: undefined })
await ports.close()
