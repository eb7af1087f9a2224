/** What checks of a bundle found, as people read it; a bundle that did not pass is a failed command. */
import { checkPath } from '../model/check.js'
import type { Gate } from '../model/gates.js'
import { createScorer } from '../model/scorer.js'
import { CommandFailed } from './failure.js'
import type { Colors, Output } from './output.js'

/** Puts the bundle at `path` through every gate and prints the report. Throws `CommandFailed` when one is closed. */
export const reportGates = async (path: string, output: Output): Promise<void> => {
  const gates = await checkPath(path, createScorer)
  const ok = gates.every((gate) => gate.ok)
  output.result({ path, ok, gates }, () => showGates(gates, output.colors))
  if (!ok) throw new CommandFailed('a gate refused the bundle')
}

export const showGates = (gates: readonly Gate[], colors: Colors): string => {
  const width = Math.max(...gates.map(({ gate }) => gate.length))
  return gates
    .map(({ gate, ok, detail }) => `${ok ? colors.green('✓') : colors.red('✗')} ${gate.padEnd(width)}  ${detail}`)
    .join('\n')
}
