/** Where figures stay: JSON files that are committed, a chart beside them, and tables in the documents that are made of them. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Aim } from './aims.js'
import { chart } from './chart.js'
import { type Machine, machineText } from './machine.js'
import type { Row } from './result.js'

/** Those that the documents show. */
export const committed = 'test/bench/results'

export interface Results {
  readonly command: string
  readonly measuredAt: string
  readonly machine: Machine
  readonly rows: readonly Row[]
  readonly aims?: readonly Aim[]
  /** every run by itself, as it was said */
  readonly runs?: readonly object[]
}

export const save = async (directory: string, name: string, results: Results): Promise<void> => {
  await mkdir(directory, { recursive: true })
  await writeFile(join(directory, `${name}.json`), `${JSON.stringify(results, undefined, 2)}\n`)
}

const headlines = /(, steady|, p99)$|^w1, (CPU|peak memory)$/

/** Makes the chart of the comparison anew, and of committed figures the tables of the documents. */
export const drawCharts = async (directory: string): Promise<void> => {
  const written = await readFile(join(directory, 'peers.json'), 'utf8').catch(() => undefined)
  if (written !== undefined) {
    const { rows, machine, command, measuredAt } = JSON.parse(written) as Results
    const caption = `${command} · ${measuredAt.slice(0, 10)} · ${machineText(machine)}`
    const shown = rows.filter(({ part }) => headlines.test(part))
    await writeFile(join(directory, 'peers.svg'), chart('Millrace beside others', shown, caption))
  }
  if (directory === committed) await import('../../pipeline/readme/write.js')
}
