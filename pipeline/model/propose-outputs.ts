import { MillraceError } from '../../stages/errors.js'
import type { Port } from './onnx.js'

export interface ProposedOutputs {
  /** `outputs` of the manifest */
  readonly outputs: {
    readonly label?: string
    readonly scores?: string
    readonly values?: readonly string[]
    readonly labels?: readonly string[]
  }
  readonly notes: readonly string[]
}

const labelName = /(^|_)(label|class|prediction)s?$/i
const scoresName = /prob|score/i
const floats: ReadonlySet<string> = new Set(['float32', 'float64'])
const integers: ReadonlySet<string> = new Set([
  'int64',
  'int32',
  'int16',
  'int8',
  'uint8',
  'uint16',
  'uint64',
  'uint32',
])

/**
 * Guesses which output is what, by type first and by name where types leave a choice: the label is the string or integer output with one
 * value a row, the scores the float output (the one whose name says so, else the first); the other numbers are values.
 * `labels`: class names, when the user gives them; `members`: outputs that belong together, none of which is the scores. Throws `bundle-invalid` when no output can be fetched.
 */
export function proposeOutputs(
  ports: readonly Port[],
  labels?: readonly string[],
  members?: ReadonlySet<string>,
): ProposedOutputs {
  const notes: string[] = []
  const fetchable = ports.filter((port) => {
    const fits = port.kind === 'tensor' && /^(float(32|64)|u?int\d+|bool|string)$/.test(port.element)
    if (!fits)
      notes.push(
        `the output ${port.name} (${port.kind === 'tensor' ? port.element : port.kind}) is left out: it cannot be fetched`,
      )
    return fits
  })
  const discrete = fetchable.filter(
    (port) => (port.element === 'string' || integers.has(port.element)) && oneValue(port),
  )
  const label =
    discrete.find((port) => labelName.test(port.name)) ??
    discrete.find((port) => port.element === 'string') ??
    discrete[0]
  const float = fetchable.filter((port) => floats.has(port.element) && !members?.has(port.name))
  const scores = float.find((port) => scoresName.test(port.name)) ?? float[0]
  const values = fetchable.filter((port) => port !== label && port !== scores && port.element !== 'string')
  for (const port of fetchable)
    if (port.element === 'string' && port !== label)
      notes.push(`the output ${port.name} is left out: only a label may be strings`)
  if (!label && !scores && values.length === 0)
    throw new MillraceError(
      'bundle-invalid',
      `no output can be fetched; there is ${ports.map((port) => port.name).join(', ') || 'none'}`,
    )
  return {
    outputs: {
      ...(label && { label: label.name }),
      ...(scores && { scores: scores.name }),
      ...(values.length > 0 && { values: values.map((port) => port.name) }),
      ...(labels && { labels }),
    },
    notes,
  }
}

/** Whether a row has one value, as far as is declared. Exporters declare the label of any number of rows as [1], too. */
const oneValue = ({ dims }: Port): boolean => !dims || dims.slice(1).every((size) => size === 1)
