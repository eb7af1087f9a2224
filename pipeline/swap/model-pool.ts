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
  const loading = new Map<string, Promise<LoadedModel>>()
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

  const load: ModelLoader['load'] = async (...wanted) => {
    const model = await loader.load(...wanted)
    if (entries.has(model.digest)) close(model)
    else entries.set(model.digest, { model, users: 0 })
    return model
  }

  const acquire: ModelPool['acquire'] = async (ref, digest, onStage, settled) => {
    const there = digest === undefined ? undefined : hold(digest)
    if (there) return there
    // Several commands that name one bundle at once wait for one load.
    const key = `${ref} ${digest} ${settled}`
    const underway = loading.get(key)
    const loaded = underway ?? load(ref, digest, onStage, settled)
    if (!underway) {
      loading.set(key, loaded)
      const over = () => loading.delete(key)
      loaded.then(over, over)
    } else onStage?.('verifying')
    // Who waited with us may have given it back already.
    return hold((await loaded).digest) ?? acquire(ref, digest, onStage, settled)
  }

  return {
    hold,
    acquire,
    get loaded() {
      return [...entries.keys()]
    },
    async idle() {
      while (closing.size > 0) await Promise.all(closing)
    },
  }
}
