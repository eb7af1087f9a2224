/** Every metric of a worker, in one table: what is registered, what the docs print, and what dashboards and alerts may name. */

export interface MetricEntry {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly unit: 'records' | 'bytes' | 'rows' | 'batches' | 'seconds' | 'times' | 'number' | 'state'
  readonly help: string
  /** each takes a handful of values, whatever flows through the worker */
  readonly labels: readonly string[]
  readonly buckets?: readonly number[]
}

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

export const metricTable = {
  millrace_info: {
    type: 'gauge',
    unit: 'state',
    help: 'Always 1; its labels say which worker of which deployment this is, and on which Node it runs.',
    labels: ['deployment', 'worker', 'node'],
  },
  millrace_ready: {
    type: 'gauge',
    unit: 'state',
    help: '1 when the worker has joined its group and waits for nothing.',
    labels: [],
  },
  millrace_part_state: {
    type: 'gauge',
    unit: 'state',
    help: '1 for the state that a part of the worker is in: connecting, joining, running, waiting, stopped.',
    labels: ['part', 'state'],
  },
  millrace_records_in_total: {
    type: 'counter',
    unit: 'records',
    help: 'Records read from the input topic.',
    labels: [],
  },
  millrace_input_bytes_total: {
    type: 'counter',
    unit: 'bytes',
    help: 'Bytes of keys, values and headers read from the input topic.',
    labels: [],
  },
  millrace_records_out_total: {
    type: 'counter',
    unit: 'records',
    help: 'Records that the broker has acknowledged, by what they are.',
    labels: ['kind'],
  },
  millrace_records_rejected_total: {
    type: 'counter',
    unit: 'records',
    help: 'Records that cannot be scored, by the code of the error table.',
    labels: ['code'],
  },
  millrace_in_flight_records: {
    type: 'gauge',
    unit: 'records',
    help: 'Records read and not yet acknowledged: credits that are given out.',
    labels: [],
  },
  millrace_in_flight_bytes: {
    type: 'gauge',
    unit: 'bytes',
    help: 'Bytes of those records.',
    labels: [],
  },
  millrace_credit_records: {
    type: 'gauge',
    unit: 'records',
    help: 'Records that may be in flight at once: what the source waits for.',
    labels: [],
  },
  millrace_credit_bytes: {
    type: 'gauge',
    unit: 'bytes',
    help: 'Bytes that may be in flight at once.',
    labels: [],
  },
  millrace_lag_records: {
    type: 'gauge',
    unit: 'records',
    help: 'Records between what is committed and the end of a partition, of those that this worker has.',
    labels: ['partition'],
  },
  millrace_batches_total: {
    type: 'counter',
    unit: 'batches',
    help: 'Micro-batches, by what closed them.',
    labels: ['closed_by'],
  },
  millrace_batch_rows: {
    type: 'histogram',
    unit: 'rows',
    help: 'Rows of a micro-batch.',
    labels: [],
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192],
  },
  millrace_stage_seconds_total: {
    type: 'counter',
    unit: 'seconds',
    help: 'Time that batches spent in a stage; infer and publish include waiting for their turn.',
    labels: ['stage'],
  },
  millrace_stage_wait_seconds_total: {
    type: 'counter',
    unit: 'seconds',
    help: 'Of the time in a stage, that before the batch ahead had left it.',
    labels: ['stage'],
  },
  millrace_stage_batches_total: {
    type: 'counter',
    unit: 'batches',
    help: 'Batches that passed a stage: the time above divided by these is the mean.',
    labels: ['stage'],
  },
  millrace_main_thread_seconds_total: {
    type: 'counter',
    unit: 'seconds',
    help: 'Time of the main thread by what it did: active, or idle, which is waiting for something to happen.',
    labels: ['state'],
  },
  millrace_queue_seconds: {
    type: 'histogram',
    unit: 'seconds',
    help: 'Time that batches wait: batch (until it is full or its time is over), inference (for its turn), publish (until it is acknowledged).',
    labels: ['queue'],
    buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
  },
  millrace_inference_seconds: {
    type: 'histogram',
    unit: 'seconds',
    help: 'Time the model took for a batch, without waiting for the batches before it, by the number of rows.',
    labels: ['rows'],
    buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
  },
  millrace_latency_seconds: {
    type: 'histogram',
    unit: 'seconds',
    help: "From a record's timestamp until the broker has acknowledged what was made of it; the first and last record of each run are measured.",
    labels: [],
    buckets: seconds,
  },
  millrace_deadline_records_total: {
    type: 'counter',
    unit: 'records',
    help: 'Records with a deadline that were answered, in time or not, by the class of the deadline.',
    labels: ['class'],
  },
  millrace_deadline_missed_total: {
    type: 'counter',
    unit: 'records',
    help: 'Of these, those that missed it, by where that was found: admission (not scored), inference (scored too late), publish (acknowledged too late).',
    labels: ['class', 'stage'],
  },
  millrace_deadline_slack_seconds: {
    type: 'histogram',
    unit: 'seconds',
    help: 'Time left until the deadline as a batch leaves a stage: gather, infer, publish; at most 0 for what is late. The first and last record of each run are measured.',
    labels: ['class', 'stage'],
    buckets: [0, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60],
  },
  millrace_generation: {
    type: 'gauge',
    unit: 'number',
    help: 'The generation that scores; 0 while there is none.',
    labels: [],
  },
  millrace_model_state: {
    type: 'gauge',
    unit: 'state',
    help: '1 for the state of each bundle that is loaded or about to be: loading, verifying, ready, active, draining.',
    labels: ['model', 'state'],
  },
  millrace_switches_total: {
    type: 'counter',
    unit: 'times',
    help: 'Switches by how they ended: activated, failed; rolled_back counts those that were rollbacks as well.',
    labels: ['result'],
  },
  millrace_refusals_total: {
    type: 'counter',
    unit: 'times',
    help: 'Commands, bundles and pushes that were refused or rolled back, by the code of the error table.',
    labels: ['code'],
  },
  millrace_shadow_records_total: {
    type: 'counter',
    unit: 'records',
    help: 'Records scored by the candidate of a shadow too, by how it compares: agreed, differed, failed, skipped.',
    labels: ['result'],
  },
  millrace_shadow_distance: {
    type: 'gauge',
    unit: 'number',
    help: 'Largest difference of two scores of one record between a shadow and the active model: mean and max over its records.',
    labels: ['of'],
  },
  millrace_switch_output_gap_seconds: {
    type: 'histogram',
    unit: 'seconds',
    help: 'Between the last batch of the old generation and the first of the new, both acknowledged.',
    labels: [],
    buckets: seconds,
  },
  millrace_fences_total: {
    type: 'counter',
    unit: 'times',
    help: 'Fences that this worker has written.',
    labels: [],
  },
  millrace_commits_total: {
    type: 'counter',
    unit: 'times',
    help: 'Times that offsets were committed.',
    labels: [],
  },
  millrace_transactions_total: {
    type: 'counter',
    unit: 'times',
    help: 'Transactions by how they ended: committed, aborted (what was in it is sent again, or read again by another worker).',
    labels: ['result'],
  },
  millrace_pipes_ended_total: {
    type: 'counter',
    unit: 'times',
    help: 'Pipes that have ended: partitions were revoked or the worker stopped.',
    labels: [],
  },
  millrace_inference_thread_deaths_total: {
    type: 'counter',
    unit: 'times',
    help: 'Inference threads that died; each is started again.',
    labels: [],
  },
  millrace_fallback_records_total: {
    type: 'counter',
    unit: 'records',
    help: 'Predictions of the fallback of the deadline: the model could not have been in time.',
    labels: [],
  },
  millrace_budget_batches_total: {
    type: 'counter',
    unit: 'batches',
    help: 'Batches of the stages of a model (preprocess, inference, postprocess) for which its bundle states a budget, by its class.',
    labels: ['stage', 'class'],
  },
  millrace_budget_missed_total: {
    type: 'counter',
    unit: 'batches',
    help: 'Of these, batches in which the stage took longer than its budget for so many records.',
    labels: ['stage', 'class'],
  },
} as const satisfies Record<string, MetricEntry>

export type MetricName = keyof typeof metricTable
