/** A kind of input, one input after the other, as fast-check makes them: what is found is made small, and can be had again. */
import fc from 'fast-check'
import { attempt, complain, count, noteMemory, type Outcome, reach, type Tally } from './tally.js'

export interface Kind<Input = unknown> {
  readonly name: string
  /** of a thousand inputs of the whole, how many: what starts a process is dear */
  readonly weight: number
  /** what is printed of a find: names of the corpus and changes rather than the bytes that they make */
  readonly inputs: fc.Arbitrary<Input>
  /** Throws a `MillraceError` for one that is refused; tells of the places that it got to. */
  judge(input: Input, reached: (where: string) => void): Outcome | Promise<Outcome>
}

export interface FuzzOptions {
  readonly inputs: number
  readonly seed: number
  readonly capMb: number
  /** one input alone, where a find said it is; `seed` is then that of the find */
  readonly path?: string
  /** Before each input: whoever watches knows what is under way. */
  readonly onInput?: (index: number) => void
}

/** A seed for each kind: kinds do not see the same numbers, and one of them can be had alone. */
export const seedOf = (seed: number, kind: string, round = 0): number => {
  let mixed = seed
  for (const letter of kind) mixed = Math.imul(mixed ^ letter.charCodeAt(0), 0x01000193)
  return Math.imul(mixed ^ round, 0x9e3779b1) | 0
}

const mostFinds = 5
const shrinkForMs = 60_000

/** The `index`-th input of a kind is a function of the seed and the index. After a find it goes on with other inputs. */
export async function fuzzKind<Input>(kind: Kind<Input>, tally: Tally, options: FuzzOptions): Promise<void> {
  const { inputs, seed, capMb, path } = options
  if (path !== undefined) return void (await search(kind, tally, options, { seed, path, numRuns: 1 }))
  for (let round = 0; tally.tried < inputs && tally.wrong.length < mostFinds; round++) {
    const runs = { seed: seedOf(seed, kind.name, round), numRuns: inputs - tally.tried }
    if (!(await search(kind, tally, options, runs))) break
  }
  noteMemory(tally, capMb)
}

/** Whether something was found, which is made small and complained of. */
export async function search<Input>(
  kind: Kind<Input>,
  tally: Tally,
  options: Pick<FuzzOptions, 'capMb' | 'onInput'>,
  runs: { readonly seed: number; readonly path?: string; readonly numRuns: number },
): Promise<boolean> {
  const found = await fc.check(propertyOf(kind, tally, options), runs)
  if (found.failed) complain(tally, findOf(kind.name, found))
  return found.failed
}

function propertyOf<Input>(
  kind: Kind<Input>,
  tally: Tally,
  { capMb, onInput }: Pick<FuzzOptions, 'capMb' | 'onInput'>,
) {
  let shrinkUntil: number | undefined
  return fc.asyncProperty(kind.inputs, async (input) => {
    // What is out of time holds: that ends the search for a smaller one.
    if (shrinkUntil !== undefined && performance.now() > shrinkUntil) return
    onInput?.(tally.tried)
    const places = new Set<string>()
    const { outcome, ms, wrong } = await attempt(() => kind.judge(input, (where) => places.add(where)))
    if (shrinkUntil === undefined) {
      if (outcome === undefined || wrong !== undefined) tally.tried += 1
      else count(tally, outcome)
      for (const where of places) reach(tally, where)
      tally.slowestMs = Math.max(tally.slowestMs, ms)
      if (tally.tried % 64 === 0) noteMemory(tally, capMb)
    }
    if (wrong === undefined) return
    shrinkUntil ??= performance.now() + shrinkForMs
    throw new Error(wrong)
  })
}

/** One line with what has it again, and what it is. */
const findOf = <Input>(kind: string, found: fc.RunDetails<[Input]>): string => {
  const { seed, counterexamplePath: path, counterexample, errorInstance } = found
  const what = errorInstance instanceof Error ? errorInstance.message : String(errorInstance)
  return `--only='${kind}' --seed=${seed} --path=${path}: ${what}\n  of ${fc.stringify(counterexample?.[0])}`
}
