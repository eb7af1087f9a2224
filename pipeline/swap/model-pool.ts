/** Loaded bundles by digest, shared by all generations that score with them: a rollback finds its model where it was left. */
import type { LoadedModel, ModelLoader } from '../../stages/ports.js'

export interface PooledModel extends LoadedModel {
  /** Gives it back once; with the last one the scorer is closed, which waits for what it is scoring. */
  release(): void
}

export interface ModelPool {
  /** Loads it, or takes the one that is there. Rejects as the loader does; a failure is not remembered. */
  acquire(
    ref: string,
    digest: string | undefined,
    onStage?: (stage: 'loading' | 'verifying') => void,
    settled?: boolean,
  ): Promise<PooledModel>
  /** Another hold on what is loaded; undefined when it is not. */
  hold(digest: string): PooledModel | undefined
  /** digests of what is loaded */
  readonly loaded: readonly string[]
  /** Resolves when everything that was given back is closed. */
  idle(): Promise<void>
}

interface Entry {
  readonly model: LoadedModel
  users: number
}

export function createModelPool(loader: ModelLoader): ModelPool {
  const entries = new Map<string, Entry>()
  const closing = new Set<Promise<void>>()

  const close = (model: LoadedModel) => {
    const closed = model.scorer.close().catch(() => undefined)
    closing.add(closed)
    void closed.then(() => closing.delete(closed))
  }

  const use = (entry: Entry): PooledModel => {
    entry.users++
    let held = true
    return {
      ...entry.model,
      release() {
        if (!held) return
        held = false
        if (--entry.users > 0) return
        entries.delete(entry.model.digest)
        close(entry.model)
      },
    }
  }

  const hold = (digest: string): PooledModel | undefined => {
    const entry = entries.get(digest)
    return entry && use(entry)
  }

  return {
    hold,
    async acquire(ref, digest, onStage, settled) {
      const there = digest === undefined ? undefined : hold(digest)
      if (there) return there
      const model = await loader.load(ref, digest, onStage, settled)
      const meanwhile = entries.get(model.digest)
      if (meanwhile) {
        close(model)
        return use(meanwhile)
      }
      const entry = { model, users: 0 }
      entries.set(model.digest, entry)
      return use(entry)
    },
    get loaded() {
      return [...entries.keys()]
    },
    async idle() {
      while (closing.size > 0) await Promise.all(closing)
    },
  }
}
