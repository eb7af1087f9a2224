/** Settings of traces. */
import { z } from 'zod'

export const traces = z
  .strictObject({
    enabled: z.boolean().default(false).describe('spans of batches through the stages, by OpenTelemetry'),
    endpoint: z
      .url({ protocol: /^https?$/ })
      .default('http://127.0.0.1:4318/v1/traces')
      .describe('where they go, OTLP over HTTP'),
    sampleShare: z.number().min(0).max(1).default(0.01).describe('share of the batches that are traced'),
  })
  .prefault({})

export type TraceSettings = Readonly<z.output<typeof traces>>
