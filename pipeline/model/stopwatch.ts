import { performance } from 'node:perf_hooks'

/** The function that it returns says how many milliseconds have passed. */
export type StartTimer = () => () => number

export const startWallClock: StartTimer = () => {
  const began = performance.now()
  return () => performance.now() - began
}

/**
 * Starts to measure; the function says how many milliseconds it is by now, without those in which this process was not let run: a verifier
 * stands back for whoever scores on the same machine, and that is no fault of the model it tries.
 */
export const startStopwatch: StartTimer = () => {
  const began = performance.now()
  const usedBefore = process.cpuUsage()
  return () => {
    const used = process.cpuUsage(usedBefore)
    return Math.min(performance.now() - began, (used.user + used.system) / 1000)
  }
}
