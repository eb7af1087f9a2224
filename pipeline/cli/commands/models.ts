import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { MillraceError } from '../../../stages/errors.js'
import { inspectBundle } from '../../model/inspect.js'
import { type BundleStore, type Listed, openStore } from '../../model/store.js'
import { type Context, contextOf } from '../context.js'
import { bytes, shortDigest } from '../format.js'
import { type GateFlags, gateOptions, reportGates } from '../gates.js'
import { describeManifest } from '../manifest-text.js'
import { examples } from '../options.js'
import { type Colors, facts, table } from '../output.js'
import type { Session } from '../session.js'
import { addModelsPush } from './models-push.js'

interface StoreFlags {
  readonly store?: string
}

const reference = 'name@version, a digest, or the path of a bundle'

export const addModels = (program: Command, session: Session): void => {
  const models = program
    .command('models')
    .summary('the bundles in the local store')
    .description('The bundles in the local store: what a worker of this folder can switch to.')
  const add = (usage: string, summary: string, description: string) =>
    models
      .command(usage)
      .summary(summary)
      .description(description)
      .option('--store <folder>', 'the local store (MILLRACE_BUNDLES_DIRECTORY, or bundles.directory)')

  const list = add(
    'list',
    'what is there',
    'Lists the bundles of the local store, those that cannot be loaded included.',
  )
  list.action((flags: StoreFlags) => listModels(contextOf(session, list), flags))
  examples(
    list,
    ['millrace models list', 'the store of this folder'],
    ["millrace models list --json | jq -r '.models[].ref'", 'the names alone'],
  )

  const inspect = add(
    'inspect',
    'what one reads, and what it says',
    'Shows what a bundle reads of a record, which tensors that fills, and what its outputs mean. Its model is not loaded.',
  ).argument('<model>', reference)
  inspect.action((ref: string, flags: StoreFlags) => inspectModel(contextOf(session, inspect), ref, flags))
  examples(
    inspect,
    ['millrace models inspect digits@2', 'a bundle of the store'],
    ['millrace models inspect ./mine@1.tar.gz', 'one that lies elsewhere'],
  )

  const verify = gateOptions(
    add(
      'verify',
      'try one through every gate',
      'Puts a bundle through every gate that stands before a switch: digests, schema, graphs, loading, golden cases, latency, budgets, and ' +
        'the deadline where one is set. The model runs in a process of its own.',
    ),
  ).argument('<model>', reference)
  verify.action(async (ref: string, flags: StoreFlags & GateFlags) => {
    const context = contextOf(session, verify, { 'bundles.directory': flags.store })
    await reportGates(context, await pathOf(context, ref, flags), flags)
  })
  examples(
    verify,
    ['millrace models verify digits@3', 'would a worker take it?'],
    ['millrace models verify digits@3 --topic digits.input', 'could it read what was written to the topic?'],
    [
      'millrace models verify digits@3 --deployment digits',
      'beside the model that scores there, on its newest records',
    ],
    ['millrace models verify digits@3 --json', 'every gate with its figures'],
  )

  addModelsPush(models, session)

  const rm = add(
    'rm',
    'remove one from the store',
    'Removes a bundle from the local store of this machine. Workers that have it loaded go on with it.',
  ).argument('<model>', 'name@version or a digest')
  rm.action(async (ref: string, flags: StoreFlags) => {
    const context = contextOf(session, rm)
    const removed = await (await storeOf(context, flags)).remove(ref)
    context.output.result({ removed }, () => `removed ${removed.ref} (${removed.path})`)
  })
  examples(rm, ['millrace models rm mine@1', 'mine@1 is not needed any more'])
}

const storeOf = async (context: Context, { store }: StoreFlags): Promise<BundleStore> => {
  const { values } = await context.readSettings()
  const { directory = 'models/bundles', mutable } = (values.bundles ?? {}) as { directory?: string; mutable?: boolean }
  return openStore(store ?? directory, { mutable })
}

/** Of a bundle in the store, or of one that lies where `ref` says: a name@version is first looked for in the store, as a worker does. */
const pathOf = async (context: Context, ref: string, flags: StoreFlags): Promise<string> => {
  const lies = (await stat(ref).catch(() => undefined)) !== undefined
  if (/[/\\]/.test(ref)) {
    if (lies) return ref
    throw new MillraceError('file-unreadable', `${ref}: there is no such file or folder`)
  }
  const store = await storeOf(context, flags)
  return store.find(ref).then(
    ({ path }) => path,
    (error) => {
      if (lies) return ref
      throw error
    },
  )
}

const listModels = async (context: Context, flags: StoreFlags): Promise<void> => {
  const store = await storeOf(context, flags)
  const [models, pinned] = [await store.list(), await store.pinned()]
  const { output } = context
  output.result({ models: models.map((model) => ({ ...model, pinned: pinned.has(model.digest) })) }, () =>
    models.length === 0
      ? 'the store is empty: see `millrace bundle init --help`'
      : table(
          ['model', 'digest', 'size', ''],
          models.map((model) => [
            model.ref,
            shortDigest(model.digest),
            bytes(model.bytes),
            remarks(model, pinned, output.colors),
          ]),
          { colors: output.colors, align: ['left', 'left', 'right'] },
        ),
  )
}

const remarks = (model: Listed, pinned: ReadonlySet<string>, colors: Colors): string =>
  [
    ...(model.problem ? [colors.red(model.problem)] : []),
    ...(model.signed ? ['signed'] : []),
    ...(pinned.has(model.digest) ? ['pinned'] : []),
  ].join(', ')

const inspectModel = async (context: Context, ref: string, flags: StoreFlags): Promise<void> => {
  const path = await pathOf(context, ref, flags)
  const found = await inspectBundle(path)
  if (found.error) throw found.error
  const { manifest, digest, files } = found
  const readerSchema = JSON.parse(files.get('input.avsc')!.toString())
  const { output } = context
  output.result({ ref: found.ref, digest, path, bytes: found.bytes, manifest, readerSchema }, () =>
    [
      facts(
        [
          ['model', output.colors.bold(found.ref!)],
          ['digest', digest!],
          ['path', path],
          ['size', bytes(found.bytes)],
          ...describeManifest(manifest!),
        ],
        output.colors,
      ),
    ].join('\n'),
  )
}
