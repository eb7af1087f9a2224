/** What checks of a bundle found, as people read it; a bundle that did not pass is a failed command. */
import { basename } from 'node:path'
import type { Command } from 'commander'
import { deploymentStatus } from '../client/deployment-status.js'
import { withRegistry } from '../client/registry.js'
import { registeredSchemas } from '../input-evidence.js'
import type { Gate, GateReport } from '../model/gates.js'
import type { TrustedKey } from '../model/keys.js'
import { openStore } from '../model/store.js'
import { verifyBundle, type WriterSchema } from '../model/verifier.js'
import { trustedKeysOf } from '../trusted-keys.js'
import { limitsOf, verifyForSwitch } from '../verification.js'
import type { Context } from './context.js'
import { CommandFailed } from './failure.js'
import { collect } from './options.js'
import type { Colors } from './output.js'
import { readText } from './text-file.js'

export interface GateFlags {
  readonly topic?: string
  readonly trust?: readonly string[]
}

/** The options of every command that tries a bundle. */
export const gateOptions = (command: Command): Command =>
  command
    .option('--topic <name>', 'could it read what was written to this topic? Asks the registry for every version')
    .option('--trust <file.pub>', 'it has to be signed by this key; may be repeated', collect)

/** Puts the bundle at `path` through every gate, in a process of its own, and prints the report. Throws `CommandFailed` when one is closed. */
export const reportGates = async (context: Context, path: string, flags: GateFlags): Promise<void> => {
  const { output, signal } = context
  const trustedKeys = await Promise.all(
    (flags.trust ?? []).map(async (file) => ({ name: basename(file), publicKeyPem: await readText(file) })),
  )
  const { sources } = await context.readSettings()
  const report =
    sources.get('deployment') === 'flag'
      ? await verifyBeside(context, path, trustedKeys)
      : await verifyBundle(path, {
          ...limitsOf({ config: (await context.loadConfig(nowhere)).config, trustedKeys }),
          writerSchemas: flags.topic === undefined ? [] : await versionsOf(context, flags.topic),
          signal,
        })
  output.result({ path, ...report }, () => showGates(report.gates, output.colors))
  if (!report.ok) throw new CommandFailed('a gate refused the bundle')
}

/** Where no deployment is meant: settings count all the same, a deadline among them. */
const nowhere = { deployment: 'none', brokers: ['none:9092'], registry: 'http://none' }

/** As a worker of the deployment would: with its settings, against its input, beside the model that scores there now. */
const verifyBeside = async (context: Context, path: string, keys: readonly TrustedKey[]): Promise<GateReport> => {
  const { signal } = context
  const { config } = await context.loadConfig()
  const kafka = await context.kafka(config)
  const { model } = await deploymentStatus(context, config)
  return withRegistry(context, config, async (registry) => {
    const store = openStore(config.bundles.directory)
    // Where the bundle that scores is not here there is nothing to replay.
    const active = model ? await store.load(model.model, model.digest ?? undefined).catch(() => undefined) : undefined
    const trustedKeys = [...keys, ...(await trustedKeysOf(config.bundles))]
    const options = { config, kafka, registry, trustedKeys, store, signal }
    const input = { kafka, registry, topic: config.topics.input, timeoutMs: 10_000, signal }
    const incumbent = active && { model: active.ref, digest: active.digest, plan: active.plan }
    return verifyForSwitch(path, options, await registeredSchemas(input), incumbent)
  })
}

const versionsOf = async (context: Context, topic: string): Promise<WriterSchema[]> => {
  const { config } = await context.loadConfig({ deployment: 'none' })
  return withRegistry(context, config, (registry) => registry.versions(`${topic}-value`))
}

const showGates = (gates: readonly Gate[], colors: Colors): string => {
  const width = Math.max(...gates.map(({ gate }) => gate.length))
  return gates
    .map(({ gate, ok, detail }) => `${ok ? colors.green('✓') : colors.red('✗')} ${gate.padEnd(width)}  ${detail}`)
    .join('\n')
}
