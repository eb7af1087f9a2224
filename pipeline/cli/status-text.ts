/** The status of a deployment as people read it. */

import type { DeploymentStatus, ModelInUse } from '../client/deployment-status.js'
import type { ModelEvent } from '../messages.js'
import { deadlineText } from './deadline-text.js'
import { count, duration, shortDigest } from './format.js'
import type { KeptDeadlines } from './kept-deadlines.js'
import { type Colors, facts, table } from './output.js'

export type ShownStatus = DeploymentStatus & KeptDeadlines

export const describeStatus = (status: ShownStatus, colors: Colors): string => {
  const { deployment, registry, group, model, preparing, workers, partitions, lag, deadlines, unreached } = status
  const behind = model
    ? partitions.filter(({ generation }) => generation !== null && generation < model.generation)
    : []
  const head = facts(
    [
      ['deployment', `${colors.bold(deployment)} (group ${group.groupId}: ${group.state})`],
      ...(registry === null ? [] : [['registry', colors.red(registry)] as const]),
      ['model', model ? colors.cyan(modelText(model)) : noModel(registry)],
      ...(behind.length > 0
        ? [['', `${behind.length} of ${partitions.length} partitions have not reached it`] as const]
        : []),
      ...(preparing === null ? [] : [['preparing', preparing] as const]),
      ['lag', lag === 0 ? colors.green('0') : colors.yellow(count(lag))],
      ...deadlines.map((one) => ['deadline', `${one.worker}: ${deadlineText(one)}`] as const),
      ...unreached.map(({ url, reason }) => ['deadline', colors.yellow(`${url}: ${reason}`)] as const),
    ],
    colors,
  )
  const members =
    workers.length === 0
      ? colors.yellow('no workers: `millrace run`')
      : table(
          ['worker', 'partitions', 'model', 'last said'],
          workers.map(({ worker, partitions, model, waiting, last }) => [
            worker,
            partitions.join(', ') || '—',
            model ?? '—',
            waiting !== null ? colors.yellow(`waits: ${waiting}`) : last ? lastText(last, status.at, colors) : '—',
          ]),
          { colors },
        )
  const parts = table(
    ['partition', 'committed', 'end', 'lag', 'gen', 'model'],
    partitions.map(({ partition, committed, end, lag, generation, model }) => [
      String(partition),
      committed === null ? '—' : count(committed),
      count(end),
      lag === 0 ? '0' : colors.yellow(count(lag)),
      generation === null ? '—' : String(generation),
      model ?? '—',
    ]),
    { colors, align: ['right', 'right', 'right', 'right', 'right', 'left'] },
  )
  return [head, members, parts].join('\n\n')
}

const noModel = (registry: string | null): string =>
  registry === null ? 'none yet: `millrace switch NAME@VERSION`' : 'not known without the registry'

const modelText = ({ generation, model, digest, mode, candidate, percent }: ModelInUse): string => {
  const beside =
    mode === 'ALL' ? '' : `, ${mode.toLowerCase()} ${candidate}${percent === null ? '' : ` for ${percent} %`}`
  return `${model}, generation ${generation}${digest === null ? '' : ` (${shortDigest(digest)})`}${beside}`
}

const lastText = ({ type, model, reason, at }: ModelEvent, now: number, colors: Colors): string => {
  const why = type === 'failed' || type === 'ignored' ? reason : null
  const what = [type, model, why].filter((part) => part !== null).join(' ')
  const text = `${what}, ${duration(Math.max(0, now - at))} ago`
  return type === 'failed' ? colors.red(text) : text
}
