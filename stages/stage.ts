import { Observable, type OperatorFunction, type Subscriber } from 'rxjs'

/** What a stage does with what comes from upstream. An error from upstream always passes on at once. */
export interface StageHandlers<In> {
  next(value: In): void
  /** Upstream has ended: emit what is left, then complete downstream (now or later). */
  complete(): void
  /** Frees timers and the like. Called once, however the subscription ends. */
  teardown?(): void
}

/**
 * An operator from handlers that live inside one subscription. What a plain `subscribe` would let slip is done here once: an exception
 * thrown by a handler errors the stream, and nothing is handled after downstream has gone.
 *
 * After the form of `operate` in RxJS, which version 7 does not export.
 */
export function stage<In, Out>(connect: (downstream: Subscriber<Out>) => StageHandlers<In>): OperatorFunction<In, Out> {
  return (source) =>
    new Observable<Out>((downstream) => {
      const handlers = connect(downstream)
      if (handlers.teardown) downstream.add(() => handlers.teardown?.())
      const upstream = source.subscribe({
        next(value) {
          if (downstream.closed) return
          try {
            handlers.next(value)
          } catch (error) {
            downstream.error(error)
          }
        },
        error(error) {
          downstream.error(error)
        },
        complete() {
          if (downstream.closed) return
          try {
            handlers.complete()
          } catch (error) {
            downstream.error(error)
          }
        },
      })
      return upstream
    })
}
