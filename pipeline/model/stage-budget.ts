/** What a bundle asks of its stages: a class, and a time by the number of records in a batch. */
import { z } from 'zod'
import type { ModelStage, Spent, StageBudget } from '../../stages/ports.js'
import { between } from '../between.js'
import type { GraphFile } from './chain.js'

const milliseconds = z.number().positive()

export const stageBudget = z.strictObject({
  class: z.enum(['soft', 'firm', 'hard']).describe('hard is never granted'),
  budgetMs: z
    .union(
      [
        milliseconds,
        z.record(z.string().regex(/^[1-9]\d{0,6}$/), milliseconds).refine((sizes) => Object.keys(sizes).length > 0),
      ],
      'milliseconds above 0, or an object of them by the number of records: {"1": 2, "512": 20}',
    )
    .describe('time for a batch of perRecords, or times by the number of records: {"1": 2, "512": 20}'),
  perRecords: z.int().min(1).optional().describe('records in the batch that budgetMs is for, where it is one number'),
})

type Stated = z.output<typeof stageBudget>
export type StatedBudgets = Readonly<Partial<Record<ModelStage, Stated>>>

/** The graph of each stage, in the order in which they run. */
export const stageFiles = {
  preprocess: 'preprocess.onnx',
  inference: 'model.onnx',
  postprocess: 'postprocess.onnx',
} as const satisfies Record<ModelStage, GraphFile>

export const modelStages = Object.keys(stageFiles) as ModelStage[]

/** What is known of graphs, by their stages. */
export const byStage = <T>(graphs: ReadonlyMap<GraphFile, T>): Partial<Record<ModelStage, T>> =>
  Object.fromEntries(
    modelStages.flatMap((stage) => {
      const known = graphs.get(stageFiles[stage])
      return known === undefined ? [] : [[stage, known]]
    }),
  )

type GraphTimes = ReadonlyMap<GraphFile, number>

/** Milliseconds by stage that the graphs have run between two moments. */
export const stageTimes = (now: GraphTimes, before: GraphTimes): Spent['ms'] =>
  byStage(new Map([...now].map(([file, ms]) => [file, ms - (before.get(file) ?? 0)])))

/** What is stated, stage by stage in their order, by ascending number of rows. */
export const budgetsOf = (stated: StatedBudgets = {}): StageBudget[] =>
  modelStages.flatMap((stage) => {
    const one = stated[stage]
    return one ? [{ stage, class: one.class, table: tableOf(one) }] : []
  })

// Keys that are whole numbers are in ascending order in every object.
const tableOf = ({ budgetMs, perRecords = 1 }: Stated): StageBudget['table'] =>
  typeof budgetMs === 'number'
    ? [{ rows: perRecords, ms: budgetMs }]
    : Object.entries(budgetMs).map(([rows, ms]) => ({ rows: Number(rows), ms }))

/** The time for any number of rows, between and beyond the stated ones as `between` has it. */
export const budgetFor = ({ table }: Pick<StageBudget, 'table'>, rows: number): number => between(table, rows, 'ms')

/** What is wrong with a statement by itself; the path within `stages` first. */
export function* budgetRules(stated: StatedBudgets): Generator<string> {
  for (const [stage, one] of Object.entries(stated)) {
    const single = typeof one.budgetMs === 'number'
    if (single && one.perRecords === undefined)
      yield `${stage}.perRecords: how many records are ${one.budgetMs} ms for?`
    if (!single && one.perRecords !== undefined)
      yield `${stage}.perRecords: budgetMs names the numbers of records already`
    const table = tableOf(one)
    for (const [index, { rows, ms }] of table.entries()) {
      const fewer = table[index - 1]
      if (fewer && ms < fewer.ms)
        yield `${stage}.budgetMs: ${ms} ms for ${rows} records are less than ${fewer.ms} for ${fewer.rows}`
    }
  }
}
