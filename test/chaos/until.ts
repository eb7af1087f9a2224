import { setTimeout as sleep } from 'node:timers/promises'

/** Resolves when it comes true; rejects with what was waited for when it does not within two minutes. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  patienceMs = 120_000,
): Promise<void> {
  const deadline = performance.now() + patienceMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${patienceMs / 1000} s: ${what}`)
    await sleep(50)
  }
}
