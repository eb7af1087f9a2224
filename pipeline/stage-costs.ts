/** What each stage of each model costs by batch size, learnt while it scores, and how often one took longer than its bundle asks for. */
import type { Generation, ModelStage, StageBudget } from '../stages/ports.js'
import { type CostProfile, type CostRow, createCostProfile } from './cost-profile.js'
import { budgetFor } from './model/stage-budget.js'
import { observing, type PipeObserver } from './pipe-observer.js'

/** How many batches a stage has had since the worker began, and how many of them took longer than their bundle asks for. */
export interface BudgetCount {
  readonly stage: ModelStage
  readonly class: StageBudget['class']
  readonly batches: number
  readonly missed: number
}

export interface GenerationStages {
  readonly generation: number
  /** name@version */
  readonly model: string
  readonly stages: readonly { readonly stage: ModelStage; readonly table: readonly CostRow[] }[]
}

export interface StageCosts {
  readonly observer: PipeObserver
  /** of stages that have a budget */
  readonly budgets: readonly BudgetCount[]
  /** the newest generations, the newest last */
  readonly all: readonly GenerationStages[]
}

interface Entry {
  readonly of: Pick<Generation, 'number' | 'model'>
  readonly profiles: Map<ModelStage, CostProfile>
}

/** A canary is two under one number. */
const kept = 8

/** One per worker: what was learnt outlives an assignment. */
export function createStageCosts(): StageCosts {
  const entries = new Map<string, Entry>()
  const counts = new Map<string, { stage: ModelStage; class: StageBudget['class']; batches: number; missed: number }>()

  function entryOf(generation: Generation): Entry {
    const key = `${generation.number}/${generation.digest}`
    let entry = entries.get(key)
    if (!entry) {
      entry = { of: { number: generation.number, model: generation.model }, profiles: new Map() }
      entries.set(key, entry)
      if (entries.size > kept) entries.delete(entries.keys().next().value as string)
    }
    return entry
  }

  function profileOf({ profiles }: Entry, stage: ModelStage, { costs = [] }: Generation): CostProfile {
    let profile = profiles.get(stage)
    if (!profile) {
      profile = createCostProfile(
        costs.flatMap(({ rows, runs, stages }) => (stages?.[stage] ? [{ rows, runs, ...stages[stage] }] : [])),
      )
      profiles.set(stage, profile)
    }
    return profile
  }

  function judge(budget: StageBudget, rows: number, ms: number): void {
    const key = `${budget.stage}/${budget.class}`
    const count = counts.get(key) ?? { stage: budget.stage, class: budget.class, batches: 0, missed: 0 }
    counts.set(key, count)
    count.batches++
    if (ms > budgetFor(budget, rows)) count.missed++
  }

  return {
    observer: observing({
      scored({ generation, outputs: { spent } }) {
        if (!spent) return
        const entry = entryOf(generation)
        for (const stage in spent.ms)
          profileOf(entry, stage as ModelStage, generation).record(spent.rows, spent.ms[stage as ModelStage]!)
        for (const budget of generation.budgets ?? []) {
          const ms = spent.ms[budget.stage]
          if (ms !== undefined) judge(budget, spent.rows, ms)
        }
      },
    }),
    get budgets() {
      return [...counts.values()].map((count) => ({ ...count }))
    },
    get all() {
      return [...entries.values()].map(({ of, profiles }) => ({
        generation: of.number,
        model: of.model,
        stages: [...profiles].map(([stage, { table }]) => ({ stage, table })),
      }))
    },
  }
}
