/** What the workers say on the events topic, in a line each. */
import type { ModelEvent } from '../../messages.js'

/** Undefined for what would only make the view restless. */
export const eventText = ({ type, worker, model, generation, reason, code }: ModelEvent): string | undefined => {
  switch (type) {
    case 'joined':
      return `${worker} joined`
    case 'left':
      return `${worker} left, everything finished`
    case 'prepared':
      return `${worker} has ${model} loaded and tried`
    case 'activated':
      return `${worker} scores with ${model}, generation ${generation}`
    case 'fenced':
      return `${worker} fences generation ${generation}: ${reason}`
    case 'failed':
      return `${worker} refuses ${model ?? 'a command'}: ${[code, reason].filter(Boolean).join(', ')}`
    default:
      return undefined
  }
}
