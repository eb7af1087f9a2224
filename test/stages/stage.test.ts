import { from, NEVER, of, take } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { stage } from '../../stages/stage.js'

describe('stage', () => {
  it('handles nothing once downstream has gone, even when the source emits within subscribe', () => {
    const handled: number[] = []
    const through = stage<number, number>((downstream) => ({
      next(value) {
        handled.push(value)
        downstream.next(value)
      },
      complete: () => downstream.complete(),
    }))
    from([1, 2, 3]).pipe(through, take(1)).subscribe()
    expect(handled).toEqual([1])
  })

  it.each(['next', 'complete'] as const)('turns an exception thrown in `%s` into an error of the stream', (where) => {
    const fail = () => {
      throw new Error('defect')
    }
    const errors: unknown[] = []
    of(1)
      .pipe(stage(() => ({ next: () => {}, complete: () => {}, [where]: fail })))
      .subscribe({ error: (error) => errors.push(error) })
    expect(errors).toEqual([new Error('defect')])
  })

  it.each([
    ['completes', () => of(1)],
    [
      'errors',
      () =>
        from([1]).pipe(
          stage(() => ({
            next: () => {
              throw new Error('defect')
            },
            complete: () => {},
          })),
        ),
    ],
    ['is unsubscribed', () => NEVER],
  ] as const)('is torn down once when it %s', (_how, source) => {
    let teardowns = 0
    const through = stage((downstream) => ({
      next: () => {},
      complete: () => downstream.complete(),
      teardown: () => {
        teardowns++
      },
    }))
    const subscription = source()
      .pipe(through)
      .subscribe({ error: () => {} })
    subscription.unsubscribe()
    subscription.unsubscribe()
    expect(teardowns).toBe(1)
  })
})
