/** The whole command line as one commander program. Commands are one a file, in commands/. */
import { readFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import { collect, group } from './options.js'
import type { Session } from './session.js'

type Add = (program: Command, session: Session) => void

/** In the order of the help. Loaded when they are called: each brings along what it alone needs. */
const commands: Readonly<Record<string, () => Promise<Add>>> = {
  stack: async () => (await import('./commands/stack.js')).addStack,
  demo: async () => (await import('./commands/demo.js')).addDemo,
  topics: async () => (await import('./commands/topics.js')).addTopics,
  run: async () => (await import('./commands/run.js')).addRun,
  produce: async () => (await import('./commands/produce.js')).addProduce,
  consume: async () => (await import('./commands/consume.js')).addConsume,
  switch: async () => (await import('./commands/switch.js')).addSwitch,
  rollback: async () => (await import('./commands/rollback.js')).addRollback,
  status: async () => (await import('./commands/status.js')).addStatus,
  verify: async () => (await import('./commands/verify.js')).addVerify,
  'dead-letter': async () => (await import('./commands/dead-letter.js')).addDeadLetter,
  models: async () => (await import('./commands/models.js')).addModels,
  bundle: async () => (await import('./commands/bundle.js')).addBundle,
  profile: async () => (await import('./commands/profile.js')).addProfile,
  simulate: async () => (await import('./commands/simulate.js')).addSimulate,
}

const walkThrough = `
A first walk, in a folder of your own:

  $ millrace stack                                   Kafka and a schema registry on this machine; leave it running
  and in another terminal, where MILLRACE_DEPLOYMENT=digits saves typing --deployment digits:
  $ millrace topics create --partitions 4            the topics of the deployment
  $ millrace run --model digits@1                    a worker; start as many as you like
  $ millrace produce models/data/digits.jsonl --rate 100 --loop
  $ millrace consume --follow --table                watch the predictions
  $ millrace switch digits@2                         another model, while they flow
  $ millrace status                                  who scores what, and how far behind

  Your own model: millrace bundle init model.onnx mine@1
  All of it at once, by itself: millrace demo

Settings come from flags, then MILLRACE_… variables, then --config FILE, then defaults. Without any address, the stack
that runs in this folder is used. Exit codes: 0 done, 1 failed, 2 misuse. What each command can do: millrace COMMAND --help
`

/**
 * The program with the commands that are among `args`, or with all where none is. Parsing throws `CommanderError` for misuse and help, and
 * whatever the command throws; it never ends the process.
 */
export const createProgram = async (session: Session, args: readonly string[] = []): Promise<Command> => {
  const program = new Command('millrace')
    .description(
      'Scores records that flow through Kafka with ONNX models, and swaps the model under the running stream.',
    )
    .version(packageVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void session.stdout.write(text),
      writeErr: (text) => void session.stderr.write(text),
      outputError: () => undefined,
      getOutHelpWidth: () => Math.min(session.stdout.columns ?? 100, 120),
      getErrHelpWidth: () => Math.min(session.stderr.columns ?? 100, 120),
    })
    .configureHelp({ showGlobalOptions: true })
    .addOption(group('Every command:', new Option('--json', 'answer in JSON, for programs')))
    .addOption(group('Every command:', new Option('--verbose', 'show what goes on beneath, and stack traces')))
    .addOption(group('Where:', new Option('--deployment <name>', 'the pipeline that is meant (MILLRACE_DEPLOYMENT)')))
    .addOption(group('Where:', new Option('--brokers <list>', 'Kafka, host:port,… (MILLRACE_BROKERS)')))
    .addOption(group('Where:', new Option('--registry <url>', 'the schema registry (MILLRACE_REGISTRY)')))
    .addOption(group('Where:', new Option('--config <file>', 'settings in YAML or JSON (MILLRACE_CONFIG)')))
    .addOption(group('Where:', new Option('--set <path=value>', 'one setting; may be repeated').argParser(collect)))
    .addOption(group('Where:', new Option('--log-level <level>', 'fatal, error, warn, info, debug, trace or silent')))
    .addHelpText('after', walkThrough)
  const named = Object.keys(commands).filter((name) => args.includes(name))
  for (const name of named.length > 0 ? named : Object.keys(commands)) (await commands[name]!())(program, session)
  return program
}

/** package.json stands two folders above the sources and three above what is compiled. */
const packageVersion = (): string => {
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'))
      if (name === 'millrace') return version
    } catch {
      // the other one
    }
  }
  return 'unknown'
}
