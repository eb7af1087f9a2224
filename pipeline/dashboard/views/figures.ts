/** The figures at the top: what flows, how fast, how far behind. Of the deployment, where not marked as of this worker. */
import type { FlowFrame } from '../../flow-history.js'
import type { Status } from '../../rest-views.js'
import { h, setText } from '../dom.js'
import { count, duration, percent } from '../format.js'
import { ofThisWorker } from '../scope.js'

interface Figure {
  show(value: string, unit?: string, note?: string): void
  ofWorker(isSo: boolean): void
}

const figure = (parent: HTMLElement, label: string, ofWorker: boolean): Figure => {
  const scope = ofThisWorker()
  scope.hidden = !ofWorker
  const value = h('strong', {}, '–')
  const unit = h('span', { class: 'unit' })
  const note = h('span', { class: 'note' })
  const head = h('span', { class: 'label' }, label, ' ', scope)
  parent.append(h('div', { class: 'figure' }, head, h('p', {}, value, ' ', unit), note))
  return {
    show(shown, of = '', more = '') {
      setText(value, shown)
      setText(unit, of)
      setText(note, more)
    },
    ofWorker(isSo) {
      scope.hidden = !isSo
    },
  }
}

export const createFigures = (parent: HTMLElement) => {
  const read = figure(parent, 'In', true)
  const written = figure(parent, 'Out', true)
  const latency = figure(parent, 'Latency', true)
  const behind = figure(parent, 'Lag', false)
  const accuracy = figure(parent, 'Accuracy', true)
  /** of a group of several, as the broker has it */
  let rates: Status['group']['rates'] = null
  let latest: FlowFrame | undefined

  const showFlow = () => {
    for (const one of [read, written]) one.ofWorker(rates === null)
    if (!latest) return
    const batches = `${count(latest.batches)} batches/s`
    const late = latest.late ? `, ${count(latest.late)} late/s` : ''
    if (rates) {
      read.show(count(rates.arriving), 'records/s', `${count(latest.in)} here, ${batches}`)
      written.show(count(rates.done), 'records/s', `${count(latest.out)} here${late}`)
      return
    }
    const dead = latest.deadLetters === 0 ? 'no dead letters' : `${count(latest.deadLetters)} dead letters/s`
    read.show(count(latest.in), 'records/s', batches)
    written.show(count(latest.out), 'predictions/s', `${dead}${late}`)
  }
  return {
    frame(frame: FlowFrame): void {
      latest = frame
      showFlow()
      if (frame.p50 === null) latency.show('–', '', 'nothing published')
      else {
        const [value, unit] = duration(frame.p50).split(' ')
        latency.show(value!, `${unit} p50`, `${duration(frame.p99 ?? frame.p50)} p99`)
      }
      if (frame.accuracy === null) accuracy.show('–', '', 'no true labels come along')
      else accuracy.show(percent(frame.accuracy, 1).replace(' %', ''), '%', 'of sampled predictions, 10 s')
    },
    status({ group, pipe }: Status): void {
      rates = group.workers.filter(({ present }) => present).length > 1 ? group.rates : null
      showFlow()
      const lag = group.partitions.reduce((sum, one) => sum + one.lag, 0)
      if (group.state === null) behind.show('–', '', 'the broker cannot be asked')
      else behind.show(count(lag), 'records', `${count(pipe.inFlight)} in flight here`)
    },
  }
}
