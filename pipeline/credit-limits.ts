/** How much may be in the pipe at once. */
import type { CreditLimits } from '../stages/credits.js'
import type { Config } from './config.js'

export type CreditConfig = Pick<Config, 'credits' | 'delivery'>

const transactionCredits = 8

/** Exactly once, records hold their credit until their transaction is committed, which takes a while that must not be one of idleness. */
export const creditLimitsOf = ({ credits, delivery }: CreditConfig): CreditLimits =>
  delivery === 'exactly-once' ? { ...credits, records: transactionCredits * credits.records } : credits
