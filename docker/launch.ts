import { join } from 'node:path'
import { MillraceError } from '../stages/errors.js'
import type { GuardedProcess } from './guardian.js'
import { kafkaAnswers, startKafka } from './kafka.js'
import { keepLog, lastMeaningfulLine } from './log-tail.js'
import { availablePorts, loopback } from './ports.js'
import { portClash, type Service, untilReady } from './ready.js'
import { registryAnswers, registryUrl, startRegistry } from './registry.js'
import type { Artifacts } from './resolve.js'
import { removeState, writeState } from './stack-state.js'

/** A program of the stack that ended though nobody asked it to. */
export interface ChildExit {
  readonly name: Service
  /** 128 + the number of the signal, after a signal */
  readonly code: number
  readonly logFile: string
  /** the line of the log that tells most */
  readonly lastLine: string
}

export interface LaunchOptions {
  readonly java: string
  readonly artifacts: Artifacts
  readonly dataDirectory: string
  readonly ports: { readonly kafkaPort?: number; readonly registryPort?: number }
  readonly onProgress: (line: string) => void
  readonly environment?: NodeJS.ProcessEnv
  readonly signal?: AbortSignal
}

export interface Launched {
  readonly brokers: string
  readonly registry: string
  readonly pids: { readonly kafka: number; readonly registry: number }
  readonly exited: Promise<ChildExit>
  stop(): Promise<void>
}

const attempts = 3

/** Both programs at once; resolves when both answer. When one fails, the other is stopped before this rejects. */
export async function launch(options: LaunchOptions): Promise<Launched> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await launchOnce(options)
    } catch (error) {
      // A port that was free a second ago may be gone; wanted ports were checked, and another try checks them again.
      const clash = error instanceof MillraceError && error.code === 'port-taken' && error.cause === portClash
      if (!clash || attempt === attempts) throw error
    }
  }
}

async function launchOnce(options: LaunchOptions): Promise<Launched> {
  const { java, artifacts, dataDirectory, environment, onProgress } = options
  const wanted = [options.ports.kafkaPort, options.ports.registryPort, undefined]
  const [kafkaPort = 0, registryPort = 0, controllerPort = 0] = await availablePorts(wanted)
  const brokers = `${loopback}:${kafkaPort}`
  const registry = registryUrl(registryPort)
  const logFile = (name: Service) => join(dataDirectory, `${name}.log`)
  const files = (name: Service) => ({ application: artifacts[name], logFile: logFile(name) })
  const common = { java, dataDirectory, environment }

  const abort = new AbortController()
  const signal = options.signal ? AbortSignal.any([options.signal, abort.signal]) : abort.signal
  const running: Partial<Record<Service, GuardedProcess>> = {}
  // One write after the other: they share the file, and the last must win.
  let recorded = Promise.resolve()
  const record = (ready: boolean) => {
    const processes = { kafka: running.kafka?.identity, registry: running.registry?.identity }
    recorded = recorded.then(() => writeState(dataDirectory, { ready, brokers, registry, processes }))
    return recorded
  }
  const services = {
    kafka: {
      start: () => startKafka({ ...common, ...files('kafka'), port: kafkaPort, controllerPort }, signal),
      answers: () => kafkaAnswers(brokers),
    },
    registry: {
      start: () => startRegistry({ ...common, ...files('registry'), port: registryPort }),
      answers: () => registryAnswers(registry),
    },
  }
  const bringUp = async (name: Service) => {
    try {
      await keepLog(logFile(name))
      const child = await services[name].start()
      running[name] = child
      await record(false)
      await untilReady(name, child, logFile(name), services[name].answers, signal)
    } catch (error) {
      abort.abort(error)
    }
  }

  const began = performance.now()
  onProgress(`starting Kafka on ${brokers} and the schema registry on ${registry}`)
  // Whichever fails first aborts the other; both have come to rest before anything is stopped.
  await Promise.all([bringUp('kafka'), bringUp('registry')])
  const children = Object.values(running)
  try {
    signal.throwIfAborted()
    await record(true)
  } catch (error) {
    await Promise.all(children.map((child) => child.stop()))
    await removeState(dataDirectory)
    throw error
  }
  onProgress(`ready after ${((performance.now() - began) / 1000).toFixed(1)} s`)

  let stopping = false
  const { kafka, registry: registryProcess } = running as Record<Service, GuardedProcess>
  return {
    brokers,
    registry,
    pids: { kafka: kafka.identity.pid, registry: registryProcess.identity.pid },
    exited: new Promise((resolve) => {
      for (const name of ['kafka', 'registry'] as const) {
        void running[name]?.exited.then(async (code) => {
          if (stopping) return
          resolve({ name, code, logFile: logFile(name), lastLine: await lastMeaningfulLine(logFile(name)) })
        })
      }
    }),
    stop: async () => {
      stopping = true
      await Promise.all(children.map((child) => child.stop()))
      await removeState(dataDirectory)
    },
  }
}
