import { stripVTControlCharacters } from 'node:util'
import fc from 'fast-check'
import pc from 'picocolors'
import { expect, test } from 'vitest'
import { digitLines } from '../../../../pipeline/cli/demo/digit.js'
import { frameToSvg } from '../../../../pipeline/cli/demo/picture.js'
import { sparkBar } from '../../../../pipeline/cli/demo/sparkline.js'
import { type Snapshot, view } from '../../../../pipeline/cli/demo/view.js'

const models = ['digits@1', 'digits@2', 'digits@3']
const pixels = Array.from({ length: 64 }, (_, index) => index % 17)
const judged = (label: string) => ({
  scan: { id: 'scan-1', pixels, label: '7' },
  partition: 3,
  offset: 1_234,
  label,
  score: 0.987,
  model: 'digits@2',
})

const snapshot: Snapshot = {
  elapsedMs: 12_345,
  deployment: 'digits',
  workers: [{ id: 'worker-1', residentBytes: 123_400_000 }, { id: 'worker-2' }],
  models,
  partitions: [
    { model: 'digits@2', generation: 2 },
    { model: 'digits@1', generation: 1 },
    { model: 'digits@1', generation: 1 },
    undefined,
  ],
  switchingTo: 'digits@2',
  wantedRate: 200,
  rate: 199.6,
  moments: Array.from({ length: 60 }, (_, index) => ({ predictions: index === 30 ? 0 : 100, model: models[0] })),
  latency: { p50: 6.25, p99: 21.4 },
  lag: 3,
  predictions: 2_400,
  recent: { predictions: 500, right: 482 },
  accuracy: models.map((model) => ({ model, predictions: 1_000, right: 965 })),
  scans: [judged('7'), judged('7'), judged('7'), judged('7'), judged('7')],
  mistake: judged('1'),
  events: Array.from({ length: 20 }, (_, index) => ({ elapsedMs: index * 1_000, text: `event ${index}` })),
}

const shown = (state: Snapshot, columns = 80, rows = 24) =>
  view(state, { colors: pc.createColors(true), columns, rows }).map(stripVTControlCharacters)

test('one look tells model, generation, rate, latency, lag, accuracy and how the scans were read', () => {
  expect(shown(snapshot, 100, 30)).toEqual([
    'millrace demo   deployment digits   12.3 s   Ctrl-C ends',
    '',
    'model     digits@2  generation 2  partitions ■ ■ ■ □  switching to digits@2 …',
    `rate      200/s     ${'▆'.repeat(30)} ${'▆'.repeat(29)}`,
    'latency   p50 6.3 ms   p99 21 ms   from the record’s timestamp to here',
    'lag       3 without a prediction yet, 2,400 predictions so far',
    'accuracy  last 500: 96.4 %   digits@1 96.5 %  digits@2 96.5 %  digits@3 96.5 %',
    'workers   worker-1 (123 MB)   worker-2',
    '',
    expect.stringMatching(/^3 \/ 1234 {2,}3 \/ 1234 .* last mistake *$/),
    ...new Array(8).fill(expect.stringMatching(/^[ ░▒▓█]+$/)),
    expect.stringMatching(/^says 7 ✓ 99 % .* says 1, is 7 ✗ *$/),
    expect.stringMatching(/^digits@2 .* digits@2 *$/),
    '',
    ...snapshot.events
      .slice(-8)
      .map(({ elapsedMs, text }) => `${(elapsedMs / 1000).toFixed(1).padStart(7)} s  ${text}`),
  ])
})

test('it fits every terminal of 24 lines and more, and never wraps', () => {
  const sizes = fc.record({ columns: fc.integer({ min: 20, max: 200 }), rows: fc.integer({ min: 24, max: 60 }) })
  const long = { ...snapshot, events: [{ elapsedMs: 0, text: 'x'.repeat(300) }] }
  fc.assert(
    fc.property(sizes, fc.constantFrom(snapshot, long), ({ columns, rows }, state) => {
      const lines = shown(state, columns, rows)
      expect(lines.length).toBeLessThan(rows)
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns)
    }),
  )
})

test('before the first prediction there is something to see already', () => {
  const early: Snapshot = {
    ...snapshot,
    partitions: [undefined, undefined],
    switchingTo: undefined,
    moments: [],
    latency: undefined,
    recent: { predictions: 0, right: 0 },
    accuracy: [],
    scans: [],
    mistake: undefined,
    page: 'http://127.0.0.1:8080/',
  }
  const lines = shown(early)
  expect(lines[1]).toBe('page      http://127.0.0.1:8080/')
  expect(lines).toContain('model     waiting for the first prediction')
  expect(lines).toContain('latency   —')
})

test('ink is dark, paper is empty, and a pixel is two columns wide', () => {
  const line = digitLines([0, 1, 5, 9, 13, 16, 0, 0, ...new Array<number>(56).fill(0)])[0]
  expect(line).toBe('  ░░▒▒▓▓████    ')
})

test('a bar is as high as its share', () => {
  expect([0, 1, 50, 75, 100, 1_000].map((value) => sparkBar(value, 100)).join('')).toBe(' ▁▄▆██')
})

test('the picture of a view is well-formed and holds its text, its blocks and nothing that could run', () => {
  const { red, bold, dim } = pc.createColors(true)
  const svg = frameToSvg([`${bold('a < b & c')}  ${red('██▓▓')}`, dim('▁▆')])
  expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" viewBox="0 0 [\d.]+ \d+"/)
  expect(svg).toContain('>a &lt; b &amp; c</text>')
  expect(svg.match(/<rect [^>]*fill="#f47067"/g)).toHaveLength(2)
  expect(svg.match(/<(?!\/?(svg|rect|circle|g|text)\b)/g)).toBeNull()
})
