/** The latest predictions, with what the model saw: small pictures are drawn. */
import type { LabelMix } from '../../label-mix.js'
import type { PredictionSample } from '../../samples.js'
import { h, keyedList, setText } from '../dom.js'
import { count, percent } from '../format.js'
import { generationColor } from '../generation.js'
import { drawScan, scanSize } from '../scan.js'

const shown = 12
/** New ones a second: more would flicker instead of telling. */
const perSecond = 3

export const createPredictions = (gallery: HTMLElement, note: HTMLElement) => {
  let kept: PredictionSample[] = []
  const rows = keyedList<PredictionSample>(
    gallery,
    ({ partition, offset, generation }) => `${partition}/${offset}/${generation}`,
    (sample) => {
      const { element, redraw } = card(sample)
      return { element, update: redraw }
    },
  )
  return {
    /** The newest of what has passed, newest first. */
    add(samples: readonly PredictionSample[], most = perSecond): void {
      kept = [...samples.slice(0, most), ...kept].slice(0, shown)
      rows(kept)
      setText(note, kept.length === 0 ? 'none yet' : 'a few of those that pass')
    },
    redraw: () => rows(kept),
  }
}

const card = (sample: PredictionSample) => {
  const { label, scores, input, model, generation, partition, offset, truth } = sample
  const best = scores.length > 1 ? Math.max(...scores) : undefined
  const verdict = truth === null ? '' : truth === label ? 'right' : 'wrong'
  const size = input && scanSize(input)
  const scan = size ? h('canvas', { class: 'scan', width: size.width, height: size.height }) : undefined
  const said =
    label ??
    scores
      .slice(0, 3)
      .map((score) => score.toPrecision(3))
      .join(' ')
  const name = [
    `${model} says ${said}`,
    best === undefined ? '' : percent(best),
    verdict === 'wrong' ? `, but it is ${truth}` : '',
    `, partition ${partition}, offset ${offset}`,
  ].join(' ')
  const meter = h('span', { class: 'meter' }, h('i'))
  const tag = h('span', { class: 'tag' }, model)
  const element = h(
    'article',
    { class: `card ${verdict}`, 'aria-label': name, title: name },
    scan ?? h('pre', { class: 'row' }, rowText(sample)),
    h('span', { class: 'said' }, said, verdict === 'wrong' ? h('s', {}, truth) : ''),
    best === undefined ? '' : meter,
    tag,
  )
  const redraw = () => {
    ;(meter.firstElementChild as HTMLElement).style.width = percent(best ?? 0, 1).replace(' ', '')
    meter.style.color = tag.style.color = generationColor(generation)
    if (scan && input) drawScan(scan, input.values)
  }
  return { element, redraw }
}

const rowText = ({ input, key, echo }: PredictionSample): string => {
  const named = Object.entries(echo).map(([name, value]) => `${name} ${value}`)
  const values = input?.values.slice(0, 6).map((value) => value.toPrecision(3)) ?? []
  return [key, ...named, ...values].filter(Boolean).slice(0, 7).join('\n')
}

export const createLabels = (parent: HTMLElement) => {
  const list = h('ul', { class: 'mix', 'aria-label': 'Shares of labels' })
  const note = h('p', { class: 'note' })
  let most = 1
  parent.append(list, note)
  const rows = keyedList<{ label: string; share: number }>(
    list,
    ({ label }) => label,
    ({ label }) => {
      const bar = h('i')
      const share = h('span', { class: 'note' })
      return {
        element: h('li', {}, h('span', { class: 'track' }, bar), h('span', {}, label), share),
        update(value) {
          bar.style.height = `${((value.share / most) * 100).toFixed(1)}%`
          setText(share, percent(value.share))
        },
      }
    },
  )
  return ({ rows: sampled, labels }: LabelMix): void => {
    most = labels[0]?.share ?? 1
    // In the order of their names: shares change, places should not.
    rows(labels.slice(0, 12).sort((one, other) => one.label.localeCompare(other.label, 'en', { numeric: true })))
    setText(note, sampled === 0 ? '' : `labels of ${count(sampled)} sampled predictions, 10 s`)
  }
}
