import type { Command } from 'commander'
import { MillraceError } from '../../../stages/errors.js'
import { withRegistry } from '../../client/registry.js'
import type { Config } from '../../config.js'
import { type DeadLetter, placeText } from '../../dead-letter.js'
import { type Context, contextOf } from '../context.js'
import { readDeadLetters } from '../dead-letters.js'
import { bytes, plural } from '../format.js'
import { hexDump } from '../hex.js'
import { examples } from '../options.js'
import { facts } from '../output.js'
import { createRecordLine } from '../record-lines.js'
import type { Session } from '../session.js'

interface ShowFlags {
  readonly all?: boolean
}

/** of the bytes, unless all are asked for */
const shownBytes = 1_024

export const addDeadLetterShow = (group: Command, session: Session): void => {
  const show = group
    .command('show <partition/offset>')
    .summary('one of them, with its bytes')
    .description(
      'Shows the dead letter of one input record, named as `list` names it: why, its key and headers, its bytes in hexadecimal and, where they ' +
        'can be decoded, its value. Of several letters of one record, the newest.',
    )
    .option('--all', `all bytes, however many; ${bytes(shownBytes)} otherwise`)
    .action((place: string, flags: ShowFlags) => run(contextOf(session, show), place, flags))
  examples(
    show,
    ['millrace dead-letter show 0/1742 --deployment digits', 'why could it not be scored, and what was it?'],
    ['millrace dead-letter show 0/1742 --json | jq -r .hex | xxd -r -p > record.bin', 'its bytes as a file'],
  )
}

const run = async (context: Context, place: string, { all }: ShowFlags): Promise<void> => {
  const [, partition, offset] = /^(\d+)\/(\d+)$/.exec(place) ?? []
  if (partition === undefined) throw new MillraceError('usage', `${place} is not partition/offset, as in 0/1742`)
  const { output } = context
  const { config } = await context.loadConfig()
  const { letter, several } = await find(context, config, Number(partition), Number(offset))
  const { value, offset: letterOffset } = letter.record
  const letterPlace = { topic: config.topics.deadLetter, partition: letter.letterPartition, offset: letterOffset }
  const decoded = await decode(context, config, letter)
  const { code, reason, topic, model, at, replayOf } = letter
  const said = {
    code,
    reason,
    topic,
    partition: letter.partition,
    offset: letter.offset,
    model,
    at,
    letter: placeText(letterPlace),
    letters: several,
    replayOf: replayOf ? placeText(replayOf) : null,
  }
  output.result({ ...said, ...decoded, hex: value?.toString('hex') ?? null }, () => {
    const shown = value === null || all ? value : value.subarray(0, shownBytes)
    const { key, headers, value: text, problem } = decoded
    return [
      facts(
        [
          ['code', output.colors.red(code)],
          ['reason', reason],
          ['input', placeText(letter)],
          ['dead letter', `${said.letter}${several > 1 ? `, the newest of ${several}` : ''}`],
          ...(said.replayOf ? [['replay of', said.replayOf] as const] : []),
          ['model', model],
          ['at', at],
          ['key', key === null ? 'none' : String(key)],
          ...Object.entries(headers).map(([name, header]) => [`header ${name}`, String(header)] as const),
          ...(problem === undefined ? [] : [['problem', problem] as const]),
          ['value', text === undefined ? 'see the bytes' : text === null ? 'none: a tombstone' : JSON.stringify(text)],
          ['bytes', value === null ? 'none' : plural(value.length, 'byte')],
        ],
        output.colors,
      ),
      ...(shown && shown.length > 0 ? [hexDump(shown)] : []),
      ...(value && shown && shown.length < value.length
        ? [`… ${plural(value.length - shown.length, 'byte')} more: --all`]
        : []),
    ].join('\n')
  })
}

const find = async (
  context: Context,
  config: Config,
  partition: number,
  offset: number,
): Promise<{ letter: DeadLetter; several: number }> => {
  const { deadLetter } = config.topics
  const reading = { from: 'beginning', follow: false, signal: context.signal } as const
  let letter: DeadLetter | undefined
  let several = 0
  for await (const one of readDeadLetters(await context.kafka(config), deadLetter, reading))
    if (one.partition === partition && one.offset === offset) {
      letter = one
      several += 1
    }
  context.signal.throwIfAborted()
  if (letter) return { letter, several }
  throw new MillraceError('letter-missing', `${deadLetter} has none of ${partition}/${offset}`)
}

interface Decoded {
  readonly key: string | null | undefined
  readonly headers: Readonly<Record<string, unknown>>
  readonly value?: unknown
  readonly problem?: string
}

/** What cannot be decoded, or not now, has its bytes. */
const decode = (context: Context, config: Config, { letterPartition, record, headers }: DeadLetter): Promise<Decoded> =>
  withRegistry(context, config, async (registry) => {
    const line = createRecordLine(config.topics.deadLetter, registry)
    const { key, headers: texts, value, problem } = JSON.parse(await line(letterPartition, { ...record, headers }))
    return { key, headers: texts, value, problem }
  })
