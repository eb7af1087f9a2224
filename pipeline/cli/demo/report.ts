/** The closing figures, for people. */
import { count } from '../format.js'
import { type Align, type Colors, table } from '../output.js'
import type { Figures } from './judge.js'
import { milliseconds, percent } from './view.js'

export const report = (figures: Figures & { readonly recordsIn: number }, colors: Colors): string => {
  const { recordsIn, predictions, late, missing, duplicates, latencyMs, switches, steadyGapMs, models } = figures
  const totals: [string, string][] = [
    ['records in', count(recordsIn)],
    ['predictions out', count(predictions)],
    ...(late === 0 ? [] : [['late records', count(late)] satisfies [string, string]]),
    ['missing', missing === 0 ? colors.green('0') : colors.red(count(missing))],
    ['duplicates', count(duplicates)],
    ['latency p50', latencyMs ? milliseconds(latencyMs.p50) : '—'],
    ['latency p99', latencyMs ? milliseconds(latencyMs.p99) : '—'],
  ]
  const right = (columns: number): Align[] => ['left', ...new Array<Align>(columns).fill('right')]
  return [
    '',
    table(['total', ''], totals, { colors, align: right(1) }),
    '',
    table(
      ['switch', 'times', 'first prediction after', 'every partition after', 'longest gap'],
      [
        ...switches.map(({ from, to, switches: times, firstAfterMs, allAfterMs, longestGapMs }) => [
          `${from} → ${to}`,
          count(times),
          milliseconds(firstAfterMs),
          milliseconds(allAfterMs),
          milliseconds(longestGapMs),
        ]),
        ['without a switch', '', '', '', milliseconds(steadyGapMs)],
      ],
      { colors, align: right(4) },
    ),
    '',
    table(
      ['model', 'predictions', 'right', 'accuracy'],
      models.map((one) => [one.model, count(one.predictions), count(one.right), percent(one)]),
      { colors, align: right(3) },
    ),
    '',
  ].join('\n')
}
