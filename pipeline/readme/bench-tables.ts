/** Tables of what was measured: of the files that `npm run bench` leaves, in the folder it is called in. */
import { existsSync, readFileSync } from 'node:fs'
import { markdownTable } from './markdown-table.js'

const directory = 'test/bench/results'

interface Results {
  readonly command: string
  readonly measuredAt: string
  readonly machine: Readonly<Record<string, string | number>>
  readonly rows: readonly {
    readonly part: string
    readonly name: string
    readonly value: number
    readonly unit: string
    readonly ratio?: number
    readonly against?: string
    readonly note?: string
  }[]
  readonly aims?: readonly {
    readonly what: string
    readonly unit: string
    readonly must: number
    readonly aim: number
    readonly bound: 'least' | 'most'
    readonly value: number
    readonly reached: string
  }[]
}

const read = (name: string): Results | undefined => {
  const path = `${directory}/${name}.json`
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined
}

const missing = 'Not measured yet.'

const number = (value: number | null): string =>
  value === null
    ? '–'
    : Math.abs(value) >= 1_000
      ? Math.round(value).toLocaleString('en-US')
      : String(Number(value.toPrecision(3)))

/** How it was measured, in one line. */
const how = ({ command, measuredAt, machine }: Results): string =>
  `\`${command}\`, ${measuredAt.slice(0, 10)}, on ${machine.cores} cores (${machine.cpu}), ${machine.memoryGb} GB, ` +
  `Node ${machine.node}, Java ${machine.java}, Kafka ${machine.kafka}, ONNX Runtime ${machine.onnxruntime}${busy(machine)}.`

/** Figures of a machine that had other things to do say so. */
const busy = ({ busy }: Results['machine']): string => {
  if (busy === undefined) return '; what else it had to do was not looked at'
  return Number(busy) > 10 ? `; other work had ${busy} % of them, so these are provisional` : ''
}

export const aimTable = (): string => {
  const results = read('peers')
  if (!results?.aims) return missing
  const rows = results.aims.map(({ what, unit, must, aim, bound, value, reached }) => {
    const limit = (of: number) => `${bound === 'least' ? '≥' : '≤'} ${number(of)}`
    const shown = `${number(value)} ${unit}`
    return [what, reached === 'neither' ? shown : `**${shown}**`, limit(must), limit(aim)]
  })
  return `${markdownTable(['what', 'measured', 'enough', 'aimed at'], rows)}\n\n${how(results)}`
}

/** One line for each thing that was compared, one column for each application. */
export const peerTable = (): string => {
  const results = read('peers')
  if (!results) return missing
  const { rows } = results
  const compared = rows.filter(({ part }) => rows.some((row) => row.part === part && row.name === 'millrace'))
  const names = [...new Set(compared.map(({ name }) => name))]
  const parts = [...new Set(compared.map(({ part }) => part))]
  const lines = parts.map((part) => {
    const own = compared.filter((row) => row.part === part)
    const cells = names.map((name) => own.find((row) => row.name === name)?.value)
    return [part, own[0]!.unit, ...cells.map((value) => (value === undefined ? '' : number(value)))]
  })
  return `${markdownTable(['', '', ...names], lines)}\n\n${how(results)}`
}

const growing = ['backlog', 'partitions', 'record-size', 'model-size', 'workers']

export const scaleTable = (): string => {
  const found = growing.flatMap((name) => read(`scale-${name}`) ?? [])
  if (found.length === 0) return missing
  const rows = found.flatMap((results) =>
    results.rows.map(({ part, name, value, unit, ratio, note }, index) => [
      index === 0 ? part : '',
      name,
      `${number(value)} ${unit}`,
      ratio === undefined ? '' : `${number(ratio)} ×`,
      note ?? '',
    ]),
  )
  return `${markdownTable(['what grows', '', 'steady', 'of the first', ''], rows)}\n\n${how(found[0]!)}`
}

/** What came in time under overload, and through switches; with the plot, as the page of deadlines leads to it. */
export const deadlineTable = (): string => {
  const results = read('deadlines')
  if (!results) return missing
  const rows = results.rows.map(({ part, name, value, unit, ratio, note }, index, all) => [
    part === all[index - 1]?.part ? '' : part,
    name,
    `${number(value)} ${unit}`,
    [ratio === undefined ? undefined : `${number(100 * ratio)} % of the capacity`, note].filter(Boolean).join(', '),
  ])
  const plot =
    '![Goodput over time, with a firm deadline and without one, at 1.5 and 3 times the capacity](../../test/bench/results/deadlines.svg)'
  return `${plot}\n\n${markdownTable(['', '', 'measured', ''], rows)}\n\n${how(results)}`
}
