/** Everybody in the group: what they have, how far behind it is, and which model they are at. */
import type { Status } from '../../rest-views.js'
import { h, keyedList, setText } from '../dom.js'
import { count, plural } from '../format.js'

interface WorkerRow {
  readonly worker: string
  readonly here: boolean
  readonly present: boolean
  readonly partitions: string
  readonly lag: number
  /** records a second; null where that is not known yet */
  readonly done: number | null
  readonly model: string
}

export const createWorkers = (parent: HTMLElement, note: HTMLElement) => {
  const body = h('tbody')
  parent.append(
    h(
      'table',
      {},
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          ...['worker', 'model', 'partitions', 'records/s', 'lag'].map((name) => h('th', { scope: 'col' }, name)),
        ),
      ),
      body,
    ),
  )
  const rows = keyedList<WorkerRow>(
    body,
    ({ worker }) => worker,
    ({ worker, here }) => {
      const [model, partitions, done, lag] = [h('td'), h('td'), h('td'), h('td')]
      const name = h(
        'th',
        { scope: 'row', title: worker },
        h('span', { class: 'worker-name' }, worker),
        here ? h('small', {}, ' this one') : '',
      )
      const element = h('tr', {}, name, model, partitions, done, lag)
      return {
        element,
        update(value) {
          element.className = value.present ? '' : 'gone'
          setText(model, value.model)
          setText(partitions, value.present ? value.partitions : 'gone')
          setText(done, value.done === null ? '–' : count(value.done))
          setText(lag, count(value.lag))
        },
      }
    },
  )
  return ({ worker: own, group }: Status): void => {
    const of = new Map(group.partitions.map((one) => [one.partition, one]))
    const sum = (partitions: readonly number[], what: 'lag' | 'done') =>
      partitions.reduce((all, partition) => all + (of.get(partition)?.[what] ?? 0), 0)
    rows(
      group.workers.map(({ worker, present, partitions, models }) => ({
        worker,
        here: worker === own,
        present,
        partitions: ranges(partitions),
        lag: sum(partitions, 'lag'),
        done: group.rates === null ? null : sum(partitions, 'done'),
        model: models.findLast(({ state }) => state === 'activated')?.model ?? '–',
      })),
    )
    const members = group.workers.filter(({ present }) => present).length
    setText(
      note,
      group.state === null
        ? 'the broker cannot be asked'
        : `${plural(members, 'worker')}, ${plural(group.partitions.length, 'partition')}`,
    )
  }
}

/** 0–3, 7 */
const ranges = (partitions: readonly number[]): string => {
  const runs: [number, number][] = []
  for (const partition of [...partitions].sort((one, other) => one - other)) {
    const last = runs.at(-1)
    if (last && last[1] === partition - 1) last[1] = partition
    else runs.push([partition, partition])
  }
  return runs.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`)).join(', ') || 'none'
}
