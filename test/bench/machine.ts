/** The machine of a measurement, as far as it matters to whoever compares: no names, no paths. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, loadavg, platform, release, totalmem } from 'node:os'
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
  /** runnable programs in the last minute, before the measurement: more than the cores, and the figures say little */
  readonly load: number
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
  load: Number((loadavg()[0] ?? 0).toFixed(1)),
})

const javaVersion = async (): Promise<string> => {
  const said = execFileSync('sh', ['-c', '"$0" -version 2>&1', await findJava(process.env)], { encoding: 'utf8' })
  return /version "(.+?)"/.exec(said)?.[1] ?? 'unknown'
}

export const machineText = ({ cores, cpu, memoryGb, system, node, java, kafka, onnxruntime, load }: Machine): string =>
  `${cores} cores (${cpu}), ${memoryGb} GB, ${system}; Node ${node}, Java ${java}, Kafka ${kafka}, ONNX Runtime ${onnxruntime}; load before: ${load}`
