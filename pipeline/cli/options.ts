/** Options and examples as all commands write them. */
import { type Command, InvalidArgumentError, type Option } from 'commander'

export const group = (heading: string, option: Option): Option => option.helpGroup(heading)

/** For options that may be repeated. */
export const collect = (value: string, before: readonly string[] = []): string[] => [...before, value]

/** A whole number within bounds, both included. */
export const wholeNumber =
  (least: number, most = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const number = Number(text)
    if (/^\d+$/.test(text) && number >= least && number <= most) return number
    const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`
    throw new InvalidArgumentError(`It must be a whole number ${range}.`)
  }

const numberThat =
  (fits: (number: number) => boolean, which: string) =>
  (text: string): number => {
    const number = Number(text)
    if (text.trim() !== '' && Number.isFinite(number) && fits(number)) return number
    throw new InvalidArgumentError(`It must be a number ${which}.`)
  }

export const positiveNumber = numberThat((number) => number > 0, 'above 0')

export const numberFromZero = numberThat((number) => number >= 0, 'from 0')

/** Of a whole; neither nothing nor all of it. */
export const share = numberThat((number) => number > 0 && number < 1, 'between 0 and 1')

/** What stands at the end of a command's help: a line to type, and what it does. */
export const examples = (command: Command, ...lines: readonly (readonly [string, string])[]): Command =>
  command.addHelpText('after', `\nExamples:\n${lines.map(([line, what]) => `  # ${what}\n  $ ${line}`).join('\n')}\n`)
