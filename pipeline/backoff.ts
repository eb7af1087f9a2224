/** Waiting out what is broken: exponential, with jitter, for ever, and it ends at once when told to. */

/** Resolves after `ms`, or as soon as `signal` aborts. Never rejects. */
export const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const end = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal?.addEventListener('abort', end, { once: true })
  })

export interface Backoff {
  /** Waits longer each time it is called in a row. */
  wait(signal?: AbortSignal): Promise<void>
  /** It went well: start from the short wait again. */
  reset(): void
}

/** `firstMs`, doubled at each wait up to `maxMs`; each wait is between half and all of that, so that workers do not return in step. */
export const createBackoff = (firstMs = 200, maxMs = 3_000): Backoff => {
  let next = firstMs
  return {
    wait: (signal) => {
      const ms = next * (0.5 + Math.random() / 2)
      next = Math.min(next * 2, maxMs)
      return pause(ms, signal)
    },
    reset: () => {
      next = firstMs
    },
  }
}

/** `work`, or undefined once `signal` aborts; what it does afterwards is nobody's concern. */
export const unless = async <T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> => {
  work.catch(() => undefined)
  if (signal.aborted) return undefined
  let abort: () => void = () => undefined
  const aborted = new Promise<undefined>((resolve) => {
    abort = () => resolve(undefined)
    signal.addEventListener('abort', abort, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/**
 * What `work` makes of a signal that aborts with `signal`, or when time is up. Nothing of it is left behind in `signal`, which may live for as
 * long as the process: `AbortSignal.any` adds to it with every call.
 */
export const within = async <T>(
  ms: number,
  signal: AbortSignal,
  work: (limit: AbortSignal) => Promise<T>,
): Promise<T> => {
  const limit = new AbortController()
  const end = () => limit.abort()
  const timer = setTimeout(end, ms)
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  try {
    return await work(limit.signal)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', end)
  }
}

/** Whether `work` settled within `ms`. Never rejects. */
export const settles = async (work: Promise<unknown>, ms: number): Promise<boolean> => {
  const limit = new AbortController()
  const settled = work.then(
    () => true,
    () => true,
  )
  try {
    return await Promise.race([settled, pause(ms, limit.signal).then(() => false)])
  } finally {
    limit.abort()
  }
}
