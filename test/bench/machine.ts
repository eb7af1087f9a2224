/** The machine of a measurement, as far as it matters to whoever compares: no names, no paths. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, platform, release, totalmem } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { findJava } from '../../docker/java.js'

export interface Machine {
  readonly cores: number
  readonly cpu: string
  readonly memoryGb: number
  readonly system: string
  readonly node: string
  readonly java: string
  readonly kafka: string
  readonly onnxruntime: string
  /** percent of the processors that others had, before the measurement: with much of it the figures say little */
  readonly busy: number
}

export const describeMachine = async (): Promise<Machine> => ({
  cores: cpus().length,
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  memoryGb: Math.round(totalmem() / 2 ** 30),
  system: `${platform()} ${release().split('-')[0]}`,
  node: process.versions.node,
  java: await javaVersion(),
  kafka: /<kafka\.version>(.+)<\/kafka\.version>/.exec(readFileSync('docker/pom.xml', 'utf8'))?.[1] ?? 'unknown',
  onnxruntime: JSON.parse(readFileSync('package.json', 'utf8')).dependencies['onnxruntime-node'],
  busy: await busyPercent(),
})

/** The load average would tell of what is over. */
const lookMs = 2_000

const busyPercent = async (): Promise<number> => {
  const before = spent()
  await setTimeout(lookMs)
  const after = spent()
  return Math.round(100 * (1 - (after.idle - before.idle) / (after.all - before.all)))
}

/** Milliseconds of all processors since they were started. */
const spent = (): { readonly idle: number; readonly all: number } => {
  const times = cpus().map((one) => one.times)
  const all = times.flatMap((one) => Object.values(one)).reduce((sum, ms) => sum + ms, 0)
  return { idle: times.reduce((sum, { idle }) => sum + idle, 0), all }
}

const javaVersion = async (): Promise<string> => {
  const said = execFileSync('sh', ['-c', '"$0" -version 2>&1', await findJava(process.env)], { encoding: 'utf8' })
  return /version "(.+?)"/.exec(said)?.[1] ?? 'unknown'
}

export const machineText = ({ cores, cpu, memoryGb, system, node, java, kafka, onnxruntime, busy }: Machine): string =>
  `${cores} cores (${cpu}), ${memoryGb} GB, ${system}; Node ${node}, Java ${java}, Kafka ${kafka}, ONNX Runtime ${onnxruntime}; ${busy} % busy before`
