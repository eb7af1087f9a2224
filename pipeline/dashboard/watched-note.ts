/** How much of a watched topic is shown, in a few words. */
import type { Watched } from '../watched.js'
import { count, moment } from './format.js'

export const watchedNote = ({ counts, since, whole, skipped, known, trouble }: Watched<unknown>): string => {
  const total = Object.values(counts).reduce((sum, value) => sum + value, 0)
  if (total === 0) return known ? 'none' : trouble === null ? 'looking …' : ''
  const unread = skipped === 0 ? '' : `, about ${count(skipped)} more unread`
  return `${whole ? '' : 'the latest '}${count(total)} since ${moment(since ?? 0)}${unread}`
}
