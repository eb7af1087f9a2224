import { type Command, Option } from 'commander'
import { type CommonOptions, contextOf } from '../context.js'
import { runDemo } from '../demo/run.js'
import { examples, positiveNumber, wholeNumber } from '../options.js'
import type { Session } from '../session.js'

interface DemoFlags {
  readonly rate: number
  readonly switchEvery?: number
  readonly once?: boolean
  readonly seconds?: number
  readonly tty: boolean
  readonly keep?: boolean
  readonly sample?: string
  readonly picture?: string
}

const onceSeconds = 25
const switchEverySeconds = 10

export const addDemo = (program: Command, session: Session): void => {
  const command = program
    .command('demo')
    .summary('all of it at once, on this machine')
    .description(
      'Starts Kafka, a schema registry and two workers, sends them scans of handwritten digits at a steady rate, and changes the model under ' +
        'the stream again and again: digits@1, @2, @3. Shows what comes out, and at the end whether every record got its prediction. Where ' +
        'MILLRACE_BROKERS and MILLRACE_REGISTRY (or --brokers, --registry) name a Kafka, that one is used, with topics that are deleted afterwards.',
    )
    .option('--rate <n>', 'records a second', wholeNumber(1, 100_000), 200)
    .option('--switch-every <seconds>', `time between two switches (${switchEverySeconds})`, positiveNumber)
    .option('--once', `end by itself, after ${onceSeconds} s; so it does where no terminal watches`)
    .option('--seconds <n>', 'end by itself, after so long', positiveNumber)
    .option('--no-tty', 'a line a second instead of the view that moves')
    .option('--keep', 'leave the topics on a Kafka that is not the demo’s own')
    .option('--sample <file.csv>', 'write the memory of the workers every ten seconds')
    .addOption(new Option('--picture <file.svg>', 'write a view near the end as a picture').hideHelp())
    .action((flags: DemoFlags) => run(session, command, flags))
  examples(
    command,
    ['millrace demo', 'watch, until Ctrl-C'],
    ['millrace demo --once --no-tty', 'for scripts: exit code 1 when a prediction is missing'],
    ['millrace demo --seconds 1800 --sample memory.csv', 'half an hour, with the memory of the workers'],
  )
}

const run = async (session: Session, command: Command, flags: DemoFlags): Promise<void> => {
  const { live } = contextOf(session, command).output
  const terminal = flags.tty && live
  const seconds = flags.seconds ?? (flags.once || !terminal ? onceSeconds : undefined)
  const switchEvery = flags.switchEvery ?? Math.min(switchEverySeconds, (seconds ?? Number.POSITIVE_INFINITY) / 3)
  const { config, set = [] } = command.optsWithGlobals<CommonOptions>()
  await runDemo({
    contextWith: (values) => contextOf(session, command, values),
    perSecond: flags.rate,
    switchEveryMs: switchEvery * 1_000,
    durationMs: seconds === undefined ? undefined : seconds * 1_000,
    terminal,
    keep: flags.keep ?? false,
    workerArgs: [...(config === undefined ? [] : ['--config', config]), ...set.flatMap((one) => ['--set', one])],
    sampleFile: flags.sample,
    pictureFile: flags.picture,
  })
}
