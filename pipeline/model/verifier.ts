import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { MillraceError } from '../../stages/errors.js'
import type { MeasuredCost } from '../../stages/ports.js'
import { compiledModule } from './compiled-module.js'
import { failedGate, type Gate, type GateReport, reportOf } from './gates.js'
import type { TrustedKey } from './keys.js'
import { watchMemory } from './resident-memory.js'
import type { DeadlineJob } from './verify-deadline.js'
import { fromVerifier, type VerifyJob, type WriterSchema } from './verify-messages.js'

export type { WriterSchema } from './verify-messages.js'

export interface ReplayOptions {
  /** path of the bundle that scores now */
  readonly activePath: string
  /**
   * Records of the input topic: the schema each was written with (its `id` is among `writerSchemas`) and its datum in Avro, without the
   * frame. Hand in what the decoder takes: lengths beyond what the bytes can hold are not looked for here.
   */
  readonly records: readonly { readonly schemaId: number; readonly datum: Buffer }[]
  /** share of records, 0 to 1, on which both have to agree; agreement is only reported when it is left out */
  readonly requiredAgreement?: number
  /** of scores, where a model has no labels; 1e-3 by default */
  readonly tolerance?: number
}

export interface VerifyOptions {
  /** for everything together; 60,000 by default */
  readonly timeoutMs?: number
  /** resident memory of the child process, of which Node and ONNX Runtime take about 100; 2,048 by default */
  readonly memoryMb?: number
  readonly trustedKeys?: readonly TrustedKey[]
  /** every schema with which the input may have been written: the registered versions of its subject */
  readonly writerSchemas?: readonly WriterSchema[]
  readonly replay?: ReplayOptions
  readonly intraOpThreads?: number
  /** 1, 8, 64 and 512 by default */
  readonly batchSizes?: readonly number[]
  /** how long each batch size and each budget is measured; 200 by default */
  readonly measureMs?: number
  /** whether batch sizes are measured for whoever reads the report; true by default; what has a budget or a deadline is measured in any case */
  readonly latency?: boolean
  /** how long each of them is, if at all; `measureMs` by default */
  readonly latencyMs?: number
  /** of the deployment, where it has one */
  readonly deadline?: DeadlineJob
  readonly signal?: AbortSignal
}

/**
 * Verifies a bundle (a folder, a `.tar.gz`, or the bytes of one) in a child process of its own, which gets no environment and is killed when
 * it takes too long or too much memory. Whatever the model does there (crash, hang, eat memory) is a failed gate in the report: its code and
 * line say why, and the gates after it are missing. Never rejects. A path is read by the child: what is loaded afterwards is the same bundle
 * when its digest is.
 */
export async function verifyBundle(bundle: string | Buffer, options: VerifyOptions = {}): Promise<GateReport> {
  if (typeof bundle === 'string') return verifyPath(bundle, options)
  const path = join(tmpdir(), `millrace-verify-${randomUUID()}.tar.gz`)
  try {
    await writeFile(path, bundle, { mode: 0o600 })
    return await verifyPath(path, options)
  } catch (error) {
    return reportOf(undefined, [failedGate('read', error)])
  } finally {
    await rm(path, { force: true })
  }
}

async function verifyPath(path: string, options: VerifyOptions): Promise<GateReport> {
  const { timeoutMs = 60_000, memoryMb = 2048 } = options
  const began = performance.now()
  const gates: Gate[] = []
  let running = 'start'
  let known: { ref: string; digest: string } | undefined
  let costs: readonly MeasuredCost[] | undefined
  let peakMb = 0
  const child = startChild(memoryMb)
  const complaint = lastWords(child)

  const ended = new Promise<MillraceError | undefined>((resolve) => {
    const stop = (code: 'verification-late' | 'memory-exceeded' | 'internal', detail: string) =>
      resolve(new MillraceError(code, detail))
    const timer = setTimeout(() => stop('verification-late', `not done after ${timeoutMs} ms`), timeoutMs)
    const memory = watchMemory(child.pid, (residentMb) => {
      peakMb = Math.max(peakMb, residentMb)
      if (residentMb > memoryMb)
        stop('memory-exceeded', `${residentMb.toFixed(0)} MB resident, ${memoryMb} are allowed`)
    })
    const abort = () => stop('internal', 'the verification was called off')
    options.signal?.addEventListener('abort', abort)
    if (options.signal?.aborted) abort()
    child.on('message', (raw) => {
      const { data: message } = fromVerifier.safeParse(raw)
      if (message?.kind === 'read') known = message
      else if (message?.kind === 'begin') running = message.gate
      else if (message?.kind === 'end' && gates.length < mostGates) gates.push(message.gate)
      else if (message?.kind === 'costs') costs = message.costs
      else if (message?.kind === 'done') resolve(undefined)
    })
    child.on('error', (error) => stop('internal', error.message))
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      memory.stop()
      options.signal?.removeEventListener('abort', abort)
      resolve(new MillraceError('model-crashed', crash(code, signal, complaint())))
    })
  })
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  child.send(jobOf(path, options), () => undefined)
  const failure = await ended
  child.kill('SIGKILL')
  await closed
  const measured = { elapsedMs: performance.now() - began, ...(peakMb > 0 && { peakRssMb: peakMb }) }
  if (failure) gates.push({ ...failedGate(running, failure), measured })
  else gates.push({ gate: 'limits', ok: true, detail: limitsLine(measured), measured })
  return { ...reportOf(known, gates), ...(costs && { costs }) }
}

const mostGates = 100

function startChild(memoryMb: number): ChildProcess {
  return fork(compiledModule('verify-child.js'), [], {
    env: {},
    cwd: fileURLToPath(new URL('.', compiledModule('verify-child.js'))),
    execArgv: [`--max-old-space-size=${memoryMb}`],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'json',
  })
}

function jobOf(path: string, options: VerifyOptions): VerifyJob {
  const { replay, measureMs = 200 } = options
  return {
    path: resolve(path),
    trustedKeys: options.trustedKeys ?? [],
    writerSchemas: options.writerSchemas ?? [],
    intraOpThreads: options.intraOpThreads ?? 1,
    batchSizes: options.batchSizes ?? [1, 8, 64, 512],
    measureMs,
    latency: options.latency ?? true,
    latencyMs: options.latencyMs ?? measureMs,
    ...(options.deadline && { deadline: options.deadline }),
    ...(replay && {
      replay: {
        active: resolve(replay.activePath),
        records: replay.records.map(({ schemaId, datum }) => ({ schemaId, datum: datum.toString('base64') })),
        requiredAgreement: replay.requiredAgreement,
        tolerance: replay.tolerance ?? 1e-3,
      },
    }),
  }
}

/** The end of what the child writes on its standard error. */
function lastWords(child: ChildProcess): () => string {
  let tail = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-4096)
  })
  return () =>
    tail
      .split('\n')
      .filter((line) => /error|terminate|what\(\)|exception|memory/i.test(line))
      .join(' ')
      .replace(/\p{Cc}+/gu, ' ')
      .slice(0, 300)
}

const crash = (code: number | null, signal: NodeJS.Signals | null, complaint: string): string =>
  `its process ended with ${signal ?? `code ${code}`}${complaint ? `: ${complaint}` : ''}`

const limitsLine = ({ elapsedMs, peakRssMb }: { elapsedMs: number; peakRssMb?: number }): string =>
  `${elapsedMs.toFixed(0)} ms${peakRssMb === undefined ? '' : `, ${peakRssMb.toFixed(0)} MB at most`}`
