/** The figures at the top: what flows, how fast, how far behind. */
import type { FlowFrame } from '../../flow-history.js'
import type { Status } from '../../rest-views.js'
import { h, setText } from '../dom.js'
import { count, duration, percent } from '../format.js'

const figure = (parent: HTMLElement, label: string) => {
  const value = h('strong', {}, '–')
  const unit = h('span', { class: 'unit' })
  const note = h('span', { class: 'note' })
  const element = h(
    'div',
    { class: 'figure' },
    h('span', { class: 'label' }, label),
    h('p', {}, value, ' ', unit),
    note,
  )
  parent.append(element)
  return (shown: string, of = '', more = '') => {
    setText(value, shown)
    setText(unit, of)
    setText(note, more)
  }
}

export const createFigures = (parent: HTMLElement) => {
  const [read, written, latency, behind, accuracy] = ['In', 'Out', 'Latency', 'Lag', 'Accuracy'].map((label) =>
    figure(parent, label),
  ) as [Set, Set, Set, Set, Set]
  return {
    frame(frame: FlowFrame): void {
      read(count(frame.in), 'records/s', `${count(frame.batches)} batches/s`)
      const dead = frame.deadLetters === 0 ? 'no dead letters' : `${count(frame.deadLetters)} dead letters/s`
      written(count(frame.out), 'predictions/s', dead)
      if (frame.p50 === null) latency('–', '', 'nothing published')
      else {
        const [value, unit] = duration(frame.p50).split(' ')
        latency(value!, `${unit} p50`, `${duration(frame.p99 ?? frame.p50)} p99`)
      }
      if (frame.accuracy === null) accuracy('–', '', 'no true labels come along')
      else accuracy(percent(frame.accuracy, 1).replace(' %', ''), '%', 'of sampled predictions, 10 s')
    },
    status({ group, pipe }: Status): void {
      const lag = group.partitions.reduce((sum, one) => sum + one.lag, 0)
      const inFlight = `${count(pipe.inFlight)} in flight here`
      if (group.state === null) behind('–', '', 'the broker cannot be asked')
      else behind(count(lag), 'records', inFlight)
    },
  }
}

type Set = ReturnType<typeof figure>
