/** When too much goes wrong to go on. */
import { z } from 'zod'

export const deadLetter = z
  .strictObject({
    limit: z
      .strictObject({
        count: z.number().int().positive().default(1_000).describe('so many dead letters are too many …'),
        share: z.number().min(0).max(1).default(0.5).describe('… if they are this share of all records, 0 to 1'),
        windowSeconds: z.number().int().positive().max(86_400).default(60).describe('counted over the last so many'),
      })
      .optional()
      .describe(
        'a worker where too many records cannot be scored ends; not by default: they are counted, and alerted on',
      ),
  })
  .prefault({})
