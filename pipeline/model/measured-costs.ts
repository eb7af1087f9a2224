/** What a model costs by batch size, as it comes from where it was measured: another process, or a file. */
import { z } from 'zod'
import type { MeasuredCost } from '../../stages/ports.js'
import { modelStages } from './stage-budget.js'

const ms = z.number().nonnegative()
const times = { p50Ms: ms, p99Ms: ms }

export const measuredCosts: z.ZodType<MeasuredCost[]> = z
  .array(
    z.object({
      rows: z.number().positive(),
      runs: z.int().positive(),
      ...times,
      stages: z.partialRecord(z.enum(modelStages), z.object(times)).optional(),
    }),
  )
  .max(100)
