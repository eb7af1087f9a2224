/** What a person changes: the token first, and then what needs it. */
import type { Status } from '../rest-views.js'
import { api, Refusal, setToken, token } from './api.js'
import { ask, askFor } from './dialog.js'
import { byId, h, setText } from './dom.js'

export interface ActionsOptions {
  readonly status: () => Status | undefined
  /** Something may be different now. */
  readonly refresh: () => void
}

export const createActions = ({ status, refresh }: ActionsOptions) => {
  const lock = byId('lock')
  const showLock = () => {
    setText(lock, token() === null ? 'Unlock' : 'Lock')
    lock.title =
      token() === null ? 'Give the token, to change something' : 'Forget the token: nothing can be changed then'
  }
  const unlock = async (): Promise<boolean> => {
    const given = await askFor(
      'Unlock',
      'Token',
      'The token of http.token or http.tokenFile. It is forgotten with this tab.',
    )
    if (given) setToken(given)
    showLock()
    return token() !== null
  }
  lock.onclick = () => {
    if (token() === null) return void unlock()
    setToken(null)
    showLock()
  }
  showLock()

  /** Runs what needs the token, asking for it first where there is none, and tells what came of it. */
  const run = async (what: () => Promise<string | undefined>): Promise<void> => {
    if (token() === null && !(await unlock())) return
    try {
      const said = await what()
      if (said !== undefined) toast(said)
    } catch (error) {
      if (error instanceof Refusal && error.problem.code === 'token-wrong') {
        setToken(null)
        showLock()
      }
      toast((error as Error).message, true)
    }
    refresh()
  }

  return {
    run,
    /** Back to the model before; where a canary or a shadow is under way, that ends. */
    rollback: () =>
      run(async () => {
        const { beside, active, previous } = status()?.model ?? {}
        const before = (beside ? active?.model : previous?.model) ?? 'the model before'
        const title = beside ? `End the ${beside.mode.toLowerCase()} of ${beside.model}?` : `Go back to ${before}?`
        const text = 'Workers have it loaded: from the next batch on it scores everything.'
        if (!(await ask(title, text, beside ? `${before} alone` : `Roll back to ${before}`))) return undefined
        await api.rollback()
        return `the workers were told: back to ${before}`
      }),
    /** The second model of a canary or a shadow is to score everything. */
    promote: () =>
      run(async () => {
        const beside = status()?.model.beside
        if (!beside) return undefined
        const text = 'Workers have it loaded: from the next batch on it scores everything.'
        if (!(await ask(`Promote ${beside.model}?`, text, `Promote ${beside.model}`))) return undefined
        await api.switch({ model: beside.model, digest: beside.digest })
        return `the workers were told: ${beside.model}`
      }),
  }
}

const toast = (text: string, bad = false): void => {
  const element = h('p', { class: bad ? 'toast bad' : 'toast', role: 'status' }, text)
  document.body.append(element)
  setTimeout(() => element.remove(), bad ? 9_000 : 4_000)
}
