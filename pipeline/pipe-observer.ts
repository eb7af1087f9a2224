/**
 * What can be seen of a pipe from outside, between its stages. Called once per batch, never per record; must not throw, and must not keep
 * what it is shown.
 */
import type { Covered, Decoded, Encoded, Fetched, MicroBatch, Scored } from '../stages/ports.js'

export type TransactionResult = 'committed' | 'aborted'

export interface PipeObserver {
  readonly fetched: (fetched: Fetched) => void
  readonly decoded: (decoded: Decoded) => void
  readonly batched: (batch: MicroBatch) => void
  readonly scored: (scored: Scored) => void
  readonly encoded: (encoded: Encoded) => void
  readonly published: (encoded: Encoded) => void
  /** The broker has the offsets; a few times a second. */
  readonly committed: (offsets: readonly Covered[]) => void
  /** A transaction has ended; exactly once only. */
  readonly transacted: (result: TransactionResult) => void
  /** The pipe is gone, with whatever was in it. */
  readonly ended: () => void
}

const nothing = () => undefined
const blind: PipeObserver = {
  fetched: nothing,
  decoded: nothing,
  batched: nothing,
  scored: nothing,
  encoded: nothing,
  published: nothing,
  committed: nothing,
  transacted: nothing,
  ended: nothing,
}

/** One that looks at some things only. */
export const observing = (some: Partial<PipeObserver>): PipeObserver => ({ ...blind, ...some })

/** Shows the same to several. */
export const observers = (all: readonly PipeObserver[]): PipeObserver => {
  const each =
    <Name extends keyof PipeObserver>(name: Name) =>
    (value: Parameters<PipeObserver[Name]>[0]) => {
      for (const one of all) (one[name] as (value: unknown) => void)(value)
    }
  return {
    fetched: each('fetched'),
    decoded: each('decoded'),
    batched: each('batched'),
    scored: each('scored'),
    encoded: each('encoded'),
    published: each('published'),
    committed: each('committed'),
    transacted: each('transacted'),
    ended: () => {
      for (const one of all) one.ended()
    },
  }
}
