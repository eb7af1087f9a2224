/** The one error table. Records that cannot be scored carry a `RejectCode`; everything else that goes wrong carries an `ErrorCode`. */

export interface ErrorEntry {
  /** what is wrong, in one line */
  readonly message: string
  /** whether the same thing may go well when it is tried again */
  readonly retryable: boolean
  /** what the user can do */
  readonly remedy: string
}

/** Reasons for which a record ends on the dead-letter topic: the values of the header `millrace.error`. */
export const rejects = {
  tombstone: {
    message: 'the record has no value (a tombstone)',
    retryable: false,
    remedy: 'nothing to score; filter tombstones at the producer if they are not wanted here',
  },
  'empty-value': {
    message: 'the value has no bytes',
    retryable: false,
    remedy: 'send Avro in the Confluent wire format',
  },
  'not-framed': {
    message: 'the value is not in the Confluent wire format (magic byte 0, schema id)',
    retryable: false,
    remedy: 'produce with a schema-registry serializer, or with `millrace produce`',
  },
  'unknown-schema': {
    message: 'the registry does not know the schema id',
    retryable: true,
    remedy: 'check that producer and worker use the same registry, then replay',
  },
  'schema-mismatch': {
    message: "the writer's schema does not resolve to what the model reads",
    retryable: false,
    remedy: 'give the new field a default, or switch to a model that reads this schema',
  },
  undecodable: {
    message: 'the bytes do not match the schema they name',
    retryable: false,
    remedy: 'check the producer: it wrote with another schema than it registered',
  },
  'trailing-bytes': {
    message: 'bytes are left after the last field',
    retryable: false,
    remedy: 'check the producer: it wrote with another schema than it registered',
  },
  'allocation-bomb': {
    message: 'a length in the record is larger than its bytes can hold',
    retryable: false,
    remedy: 'check who may write to the input topic',
  },
  'field-missing': {
    message: 'a field the model needs is null and has no default',
    retryable: false,
    remedy: 'send the field, or give it a default in the bundle',
  },
  'not-a-number': {
    message: 'a value is NaN or infinite and the model does not take that',
    retryable: false,
    remedy: 'clean the input, or set allowNaN for the tensor in the bundle',
  },
  'shape-mismatch': {
    message: 'an array does not have the length the model needs',
    retryable: false,
    remedy: 'send arrays of the length the bundle states',
  },
  'out-of-range': {
    message: 'a value does not fit the type of its tensor',
    retryable: false,
    remedy: 'send values in range, or widen the tensor type',
  },
  'inference-failed': {
    message: 'the model failed on this record',
    retryable: true,
    remedy: 'look at the reason; score the record alone with `millrace models verify`',
  },
  'not-encodable': {
    message: 'the prediction cannot be encoded',
    retryable: false,
    remedy: 'check the model: its outputs do not fit the Prediction schema',
  },
  'deadline-missed': {
    message:
      'the result would come after its firm deadline; the record is on the late topic, not among the dead letters',
    retryable: false,
    remedy: 'give it more time (deadline.ms), more workers or a faster model; or ask for soft',
  },
  'too-large': {
    message: 'the prediction is larger than the output topic takes',
    retryable: false,
    remedy: 'raise max.message.bytes of the predictions topic, or echo less',
  },
} as const satisfies Record<string, ErrorEntry>

export type RejectCode = keyof typeof rejects

/** Everything that is not about one record. */
export const errors = {
  usage: { message: 'the command line is wrong', retryable: false, remedy: 'see `millrace --help`' },
  'config-invalid': {
    message: 'the configuration is not valid',
    retryable: false,
    remedy: 'correct the named setting',
  },
  'no-brokers': {
    message: 'no Kafka is configured and no local stack is running',
    retryable: false,
    remedy: 'set MILLRACE_BROKERS and MILLRACE_REGISTRY, or run `millrace stack`',
  },
  'broker-unreachable': {
    message: 'Kafka cannot be reached',
    retryable: true,
    remedy: 'check the address and that the broker is up',
  },
  'registry-unreachable': {
    message: 'the schema registry cannot be reached',
    retryable: true,
    remedy: 'check the address and that the registry is up',
  },
  'registry-refused': {
    message: 'the schema registry refused the request',
    retryable: false,
    remedy: 'check what the user may do there',
  },
  'schema-incompatible': {
    message: 'the schema registry takes no such schema under this subject',
    retryable: false,
    remedy: 'use a topic whose subject holds nothing else, or set the compatibility of the subject to NONE',
  },
  'credentials-refused': {
    message: 'the credentials were refused',
    retryable: false,
    remedy: 'check user, password and mechanism',
  },
  'tls-failed': {
    message: 'no TLS connection can be made',
    retryable: false,
    remedy: 'check that the port speaks TLS, and the CA (kafka.ssl.caFile)',
  },
  'not-authorized': {
    message: 'the principal may not do this',
    retryable: false,
    remedy: 'grant the ACLs that it needs: `millrace topics acls`',
  },
  'topic-missing': {
    message: 'a topic does not exist',
    retryable: true,
    remedy: 'create it: `millrace topics create`',
  },
  'batch-corrupt': {
    message: 'what the broker returned is not a valid record batch',
    retryable: true,
    remedy:
      "check the broker's disks; to leave the batch out, move the group's offset past it with kafka-consumer-groups",
  },
  'partitions-differ': {
    message: 'an output topic has fewer partitions than the input topic',
    retryable: false,
    remedy: 'add partitions: predictions go to the partition number of their input',
  },
  'producer-fenced': {
    message: 'another worker has taken the partition over',
    retryable: true,
    remedy:
      'nothing to do: this one joins the group again; if it goes on, look for two workers that take each other for dead',
  },
  'dead-letter-limit': {
    message: 'too many records cannot be scored',
    retryable: false,
    remedy: 'look at `millrace dead-letter list --count`, mend what is wrong, and start again',
  },
  'letter-missing': {
    message: 'there is no such dead letter',
    retryable: false,
    remedy: 'see `millrace dead-letter list`',
  },
  'model-unknown': { message: 'no such bundle in the store', retryable: false, remedy: 'see `millrace models list`' },
  'bundle-invalid': {
    message: 'the bundle is not valid',
    retryable: false,
    remedy: 'run `millrace bundle check` on it',
  },
  'digest-mismatch': {
    message: 'a file does not have the digest that the manifest states',
    retryable: false,
    remedy: 'pack the bundle again from its source',
  },
  'model-load-failed': {
    message: 'the model cannot be loaded',
    retryable: false,
    remedy: 'run `millrace bundle check` on it',
  },
  'model-unfit': {
    message: 'the model does not do what its bundle says',
    retryable: false,
    remedy: 'run `millrace bundle check` on it',
  },
  'store-full': {
    message: 'the bundle store is full',
    retryable: false,
    remedy: 'remove bundles with `millrace models rm`, or raise bundles.maxStoreBytes',
  },
  'store-immutable': {
    message: 'this deployment takes no new bundles',
    retryable: false,
    remedy: 'build the bundle into the image, or set bundles.mutable',
  },
  'model-in-use': {
    message: 'the bundle is in use',
    retryable: false,
    remedy: 'switch to another one, or unpin it first',
  },
  'signature-missing': {
    message: 'it is not signed, and keys are configured',
    retryable: false,
    remedy: 'sign it: `millrace bundle sign`, `millrace switch --key`',
  },
  'signature-wrong': {
    message: 'no trusted key made the signature',
    retryable: false,
    remedy: 'sign it with a key whose public half is configured, and look at who sent it',
  },
  'push-incomplete': {
    message: 'a pushed bundle did not arrive whole',
    retryable: true,
    remedy: 'push it again: `millrace models push`',
  },
  'schema-unresolved': {
    message: 'the model cannot read every registered version of the input',
    retryable: false,
    remedy: 'give the fields that a version lacks a default in input.avsc',
  },
  'replay-disagrees': {
    message: 'the model says something else than the active one more often than allowed',
    retryable: false,
    remedy: 'look at the records in question, or lower the required agreement',
  },
  'budget-missed': {
    message: 'the model does not keep the time budget of its bundle',
    retryable: false,
    remedy: 'make the model faster, or give the stage a larger budgetMs',
  },
  'deadline-unfit': {
    message: 'the model cannot keep the deadline of the deployment',
    retryable: false,
    remedy: 'make the model faster, ask for smaller budgets, or give deadline.ms more; see `millrace profile`',
  },
  'fallback-unfit': {
    message: 'the fallback of the deadline cannot stand in for the model',
    retryable: false,
    remedy:
      'name a bundle that can as deadline.fallback, or none, and start the workers with it; then switch: see `millrace models verify`',
  },
  'hard-refused': {
    message: 'a hard deadline cannot be promised',
    retryable: false,
    remedy: 'ask for firm: late records are then not scored and go to the late topic',
  },
  'verification-late': {
    message: 'the model did not get through its verification in time',
    retryable: false,
    remedy: 'look at the gate where it stopped, or allow more time',
  },
  'memory-exceeded': {
    message: 'the model takes more memory than a verification may',
    retryable: false,
    remedy: 'look at the gate where it was stopped, or allow more memory',
  },
  'model-crashed': {
    message: 'the model ended the process in which it was verified',
    retryable: false,
    remedy: 'look at the gate where it happened; export the model again',
  },
  'command-invalid': {
    message: 'the control message is not a command',
    retryable: false,
    remedy: 'send {"action":"SWITCH","model":"name@version"}',
  },
  'command-unsupported': {
    message: 'this deployment does not carry out that action',
    retryable: false,
    remedy: 'see the reason',
  },
  'switch-pending': {
    message: 'another switch is being prepared',
    retryable: true,
    remedy: 'wait for it, or end it with `millrace switch --abort`',
  },
  'switch-refused': {
    message: 'not every worker can switch, so none does',
    retryable: false,
    remedy: 'see the reason of each worker',
  },
  guardrail: {
    message: 'the new model passed a limit of the guardrails and is rolled back',
    retryable: false,
    remedy: 'look at the figures; mend the model, or raise the limit that it passed',
  },
  'no-workers': {
    message: 'no worker is in the group',
    retryable: true,
    remedy: 'start one: `millrace run`; or leave out --wait',
  },
  'worker-unreachable': {
    message: 'no worker says where its time goes',
    retryable: true,
    remedy: 'name its address, as it logs it at its start: --url http://HOST:8085; http.enabled has to be true there',
  },
  'nothing-prepared': {
    message: 'nothing is prepared that this could commit or abort',
    retryable: false,
    remedy: 'send PREPARE first, or use `millrace switch NAME@VERSION --wait`',
  },
  'nothing-to-roll-back': {
    message: 'there is no previous model',
    retryable: false,
    remedy: 'name one: `millrace switch NAME@VERSION`',
  },
  'verification-failed': {
    message: 'predictions are not what the logs say',
    retryable: false,
    remedy: 'look at the offsets named; duplicates are expected at least once: --allow-duplicates',
  },
  'java-missing': {
    message: 'Java is not installed',
    retryable: false,
    remedy: 'install Java 17 or newer, or set MILLRACE_BROKERS and MILLRACE_REGISTRY',
  },
  'java-too-old': { message: 'this Java is too old', retryable: false, remedy: 'install Java 17 or newer' },
  'maven-missing': {
    message: 'Maven is not installed',
    retryable: false,
    remedy: 'install Maven 3.8 or newer, or set MILLRACE_BROKERS and MILLRACE_REGISTRY',
  },
  'download-failed': {
    message: 'the download from Maven Central failed',
    retryable: true,
    remedy: 'check the network and the Maven settings, then run it again',
  },
  'port-taken': {
    message: 'the port is in use',
    retryable: false,
    remedy: 'choose another port, or leave it out to get a free one',
  },
  'disk-full': { message: 'the disk is full', retryable: false, remedy: 'free some space' },
  'stack-failed': { message: 'the local stack did not start', retryable: true, remedy: 'see the named log file' },
  'stack-running': {
    message: 'a local stack is already running on this data folder',
    retryable: false,
    remedy: 'stop it first, or name another --data folder',
  },
  'worker-ended': {
    message: 'a worker of the demo ended',
    retryable: true,
    remedy: 'see the named log file',
  },
  'file-unreadable': { message: 'the file cannot be read', retryable: false, remedy: 'check the path' },
  'record-invalid': { message: 'a record does not fit the schema', retryable: false, remedy: 'correct the named line' },
  'profile-invalid': {
    message: 'the file is no profile of a bundle',
    retryable: false,
    remedy: 'write one: `millrace profile BUNDLE --json > FILE`',
  },
  'request-invalid': {
    message: 'the request is not valid',
    retryable: false,
    remedy: 'see /openapi.json for what it takes',
  },
  'not-found': { message: 'there is nothing at this address', retryable: false, remedy: 'see /openapi.json' },
  'method-wrong': {
    message: 'this address does not take that method',
    retryable: false,
    remedy: 'see the header Allow, or /openapi.json',
  },
  'media-type-wrong': {
    message: 'the body is of a type that is not taken here',
    retryable: false,
    remedy: 'send application/json, or an archive as application/gzip',
  },
  'body-too-large': {
    message: 'the body is too large',
    retryable: false,
    remedy: 'send less, or raise http.maxUploadBytes for archives',
  },
  'token-missing': {
    message: 'no token is configured, so nothing can be changed here',
    retryable: false,
    remedy: 'set http.token or http.tokenFile, and start the worker again',
  },
  'token-wrong': {
    message: 'the token is missing or wrong',
    retryable: false,
    remedy: 'send the header Authorization: Bearer TOKEN with the token of http.token',
  },
  'too-many-failures': {
    message: 'too many wrong tokens came from this address',
    retryable: true,
    remedy: 'wait for as long as the header Retry-After says',
  },
  'host-refused': {
    message: 'it is not known here by the name of the request',
    retryable: false,
    remedy: 'use the address it listens on, or name it in http.names',
  },
  'too-busy': { message: 'too many of these are under way', retryable: true, remedy: 'try again in a while' },
  'timed-out': { message: 'it took too long', retryable: true, remedy: 'try again, or allow more time' },
  interrupted: { message: 'it was interrupted', retryable: true, remedy: 'run it again' },
  internal: { message: 'something unexpected went wrong', retryable: false, remedy: 'report it with the log' },
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof errors

/** An error that the user can act on: shown as one line, `code: what is wrong: what exactly. What to do.` */
export class MillraceError extends Error {
  override readonly name = 'MillraceError'
  constructor(
    readonly code: ErrorCode,
    /** what exactly, e.g. the file, the address, the setting */
    readonly detail: string,
    options?: { cause?: unknown },
  ) {
    super(`${errors[code].message}: ${detail}`, options)
  }
  get retryable(): boolean {
    return errors[this.code].retryable
  }
  get remedy(): string {
    return errors[this.code].remedy
  }
  /** what is wrong, what exactly, and what to do */
  get line(): string {
    const said = oneLine(this.message)
    return `${said}${/[.?!]$/.test(said) ? '' : '.'} ${sentence(this.remedy)}`
  }
}

const oneLine = (text: string): string => text.replace(/\s*[\p{Cc}]+\s*/gu, ' ').trim()
const sentence = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`

/** For people, in one line: of an error of the table, with what to do about it. */
export const lineOf = (error: unknown): string =>
  error instanceof MillraceError ? error.line : error instanceof Error ? error.message : String(error)
