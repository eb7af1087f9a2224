/** A manifest in a few lines: what it reads, and what its outputs mean. */
import type { Manifest } from '../model/manifest.js'
import { budgetsOf } from '../model/stage-budget.js'

const shown = 12

export const describeManifest = ({ inputs, outputs, stages, files }: Manifest): [string, string][] => [
  ...inputs.map(({ tensor, type, shape, fields, allowNaN }): [string, string] => [
    'reads',
    `${some(fields.map((field) => field.field + (field.default === undefined ? '' : ` (or ${field.default})`)))} → ${tensor}: ` +
      `${type} [${shape.join(', ')}]${allowNaN ? ', NaN allowed' : ''}`,
  ]),
  ...(outputs.label === undefined ? [] : [['label', outputs.label] as [string, string]]),
  ...(outputs.scores === undefined ? [] : [['scores', outputs.scores] as [string, string]]),
  ...Object.entries(outputs.values).map(([name, tensor]): [string, string] => ['value', `${tensor} as ${name}`]),
  ...(outputs.labels ? [['classes', some(outputs.labels)] as [string, string]] : []),
  ...budgetsOf(stages).map(({ stage, class: kind, table }): [string, string] => [
    'budget',
    `${stage}: ${kind}, ${table.map(({ rows, ms }) => `${ms} ms for ${rows}`).join(', ')}`,
  ]),
  ['files', Object.keys(files).join(', ')],
]

const some = (names: readonly string[]): string =>
  names.length <= shown ? names.join(', ') : `${names.slice(0, shown).join(', ')} and ${names.length - shown} more`
