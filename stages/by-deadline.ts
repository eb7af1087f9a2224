import type { Line, Waiting } from './line.js'

/** What waits in several lines and can be ready in time, the most urgent first, no record before one that is ahead of it in its line. */
export interface ByDeadline {
  readonly count: number
  /** ascending: by when each is to be ready, for its own sake or for that of one behind it */
  readonly urgency: Float64Array
  /** of each, by when it is to be ready for its own sake */
  readonly deadlines: Float64Array
  /** of each, the index of its line */
  readonly lines: Int32Array
  /** of each, how many records of its line are taken with it: itself and everything ahead of it */
  readonly reach: Int32Array
  /** the one that all are of; undefined when nothing waits */
  readonly generation: number | undefined
}

/** Goes along a line, record by record. */
interface Walk {
  readonly line: number
  readonly parts: readonly Waiting[]
  part: number
  record: number
  reach: number
}

/**
 * Merges the fronts of the lines, at most `most` records, all of the generation that the most urgent one is of. Those whose deadline is before
 * `bound` are passed over. Equals come line by line.
 *
 * This is earliest deadline first under precedence constraints: deadlines are first brought down to those of what waits behind (see `Line`).
 */
export function byDeadline(lines: readonly Line[], most: number, bound: number): ByDeadline {
  const urgency = new Float64Array(most)
  const deadlines = new Float64Array(most)
  const from = new Int32Array(most)
  const reach = new Int32Array(most)
  const walks = lines.map(({ parts }, line) => ({ line, parts, part: 0, record: parts[0]?.from ?? 0, reach: 0 }))
  const generation = firstGeneration(lines, walks, bound)
  const going = walks.filter((walk) => advance(walk, generation, bound))
  let count = 0
  while (going.length > 0 && count < most) {
    const first = mostUrgent(going)
    const walk = going[first]!
    const other = runnerUp(going, first)
    let more = true
    while (more && count < most && urgencyOf(walk) <= other) {
      urgency[count] = urgencyOf(walk)
      deadlines[count] = walk.parts[walk.part]!.deadlines[walk.record]!
      from[count] = walk.line
      walk.record++
      reach[count++] = ++walk.reach
      more = advance(walk, generation, bound)
    }
    if (!more) going.splice(first, 1)
  }
  return { count, urgency, deadlines, lines: from, reach, generation }
}

/** Of the most urgent record that can be ready in time; where there is none, of whatever waits. */
function firstGeneration(lines: readonly Line[], walks: readonly Walk[], bound: number): number | undefined {
  const ahead = walks.map((walk) => ({ ...walk })).filter((walk) => advance(walk, undefined, bound))
  const walk = ahead[mostUrgent(ahead)]
  const part = walk ? walk.parts[0] : lines.find(({ parts }) => parts.length > 0)?.parts[0]
  return part?.decoded.generation.number
}

/** Brings a walk to the next record that can be ready in time; false where the line ends, or the generation where one is given. */
function advance(walk: Walk, generation: number | undefined, bound: number): boolean {
  for (let part = walk.parts[walk.part]; part; part = walk.parts[++walk.part]) {
    if (generation !== undefined && part.decoded.generation.number !== generation) return false
    for (; walk.record < part.deadlines.length; walk.record++, walk.reach++)
      if (part.deadlines[walk.record]! >= bound) return true
    walk.record = 0
  }
  return false
}

function urgencyOf({ parts, part, record }: Walk): number {
  const { urgency, behind } = parts[part]!
  return Math.min(urgency[record]!, behind)
}

function mostUrgent(walks: readonly Walk[]): number {
  let first = 0
  for (let i = 1; i < walks.length; i++) if (urgencyOf(walks[i]!) < urgencyOf(walks[first]!)) first = i
  return first
}

function runnerUp(walks: readonly Walk[], first: number): number {
  let urgency = Number.POSITIVE_INFINITY
  for (let i = 0; i < walks.length; i++) if (i !== first) urgency = Math.min(urgency, urgencyOf(walks[i]!))
  return urgency
}
