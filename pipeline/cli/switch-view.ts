/** A switch of the group while it is under way: a table that moves on a terminal, a line for each change elsewhere. */
import { createLogUpdate } from 'log-update'
import type { AnswerState } from '../swap/group-answers.js'
import type { SwitchPhase, SwitchProgress, WorkerState } from '../swap/group-switch.js'
import { type Colors, type Output, table } from './output.js'

export interface SwitchView {
  show(progress: SwitchProgress): void
  /** Leaves the last state on the screen. */
  close(): void
}

const headings: Readonly<Record<SwitchPhase, string>> = {
  preparing: 'every worker gets it ready …',
  aborting: 'nobody switches: aborting …',
  activating: 'every worker changes over …',
  done: '',
}

export const createSwitchView = (output: Output): SwitchView => (output.liveErrors ? moving(output) : lines(output))

const moving = ({ stderr, colors }: Output): SwitchView => {
  const update = createLogUpdate(stderr as NodeJS.WriteStream)
  return {
    show: ({ phase, workers }) =>
      phase === 'done' ? update.clear() : update(`${headings[phase]}\n${workersTable(workers, colors)}`),
    close: () => update.clear(),
  }
}

const lines = ({ note }: Output): SwitchView => {
  const said = new Map<string, AnswerState>()
  let phase: SwitchPhase | undefined
  return {
    show(progress) {
      if (phase !== progress.phase && headings[progress.phase]) note(headings[progress.phase])
      phase = progress.phase
      for (const { id, state, reason } of progress.workers) {
        if (said.get(id) === state) continue
        said.set(id, state)
        if (state !== 'waiting') note(`${id}: ${state}${reason === null ? '' : `: ${reason}`}`)
      }
    },
    close: () => undefined,
  }
}

export const workersTable = (workers: readonly WorkerState[], colors: Colors): string =>
  workers.length === 0
    ? colors.yellow('no workers')
    : table(
        ['worker', 'state', ''],
        workers.map(({ id, state, reason }) => [id, colored(state, colors), reason ?? '']),
        { colors },
      )

const colored = (state: AnswerState, colors: Colors): string => {
  if (state === 'failed') return colors.red(state)
  if (state === 'activated' || state === 'prepared') return colors.green(state)
  return colors.yellow(state)
}
