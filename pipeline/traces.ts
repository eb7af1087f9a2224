/**
 * Traces, off by default. OpenTelemetry is an optional dependency: nothing of it is loaded while they are off, and no batch is looked at.
 */
import type { SpanExporter } from '@opentelemetry/sdk-trace-base'
import { MillraceError } from '../stages/errors.js'
import { observeSpans } from './batch-spans.js'
import type { TraceSettings } from './config-traces.js'
import type { PipeObserver } from './pipe-observer.js'

export interface TraceOptions {
  readonly settings: TraceSettings
  readonly deployment: string
  readonly worker: string
  /** instead of the one for `settings.endpoint` */
  readonly exporter?: SpanExporter
}

export interface Traces {
  readonly observer: PipeObserver
  /** Sends what is left, for a few seconds at most. */
  close(): Promise<void>
}

/** How long the collector may take; spans that wait for it are bounded, more are dropped. */
const patienceMs = 3_000
const mostWaiting = 4_096

/** Undefined where they are off. Throws `config-invalid` where they are on and OpenTelemetry is not installed. */
export async function openTraces({
  settings,
  deployment,
  worker,
  exporter,
}: TraceOptions): Promise<Traces | undefined> {
  if (!settings.enabled) return undefined
  const [api, sdk, { resourceFromAttributes }, otlp] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/exporter-trace-otlp-http'),
  ]).catch((cause: Error) => {
    throw new MillraceError('config-invalid', `traces.enabled needs the packages of OpenTelemetry: ${cause.message}`, {
      cause,
    })
  })
  const provider = new sdk.BasicTracerProvider({
    resource: resourceFromAttributes({
      'service.name': 'millrace',
      'service.namespace': deployment,
      'service.instance.id': worker,
    }),
    spanProcessors: [
      new sdk.BatchSpanProcessor(
        exporter ?? new otlp.OTLPTraceExporter({ url: settings.endpoint, timeoutMillis: patienceMs }),
        { maxQueueSize: mostWaiting, scheduledDelayMillis: 1_000, exportTimeoutMillis: patienceMs },
      ),
    ],
  })
  const { ROOT_CONTEXT, SpanStatusCode, trace } = api
  return {
    observer: observeSpans({
      tracer: provider.getTracer('millrace'),
      within: (span) => trace.setSpan(ROOT_CONTEXT, span),
      errorStatus: SpanStatusCode.ERROR,
      sampled: () => Math.random() < settings.sampleShare,
    }),
    async close() {
      // A collector that is away keeps nobody from stopping.
      await provider.shutdown().catch(() => undefined)
    },
  }
}
