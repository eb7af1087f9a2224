import { basename } from 'node:path'
import type { Command } from 'commander'
import { MillraceError } from '../../../stages/errors.js'
import { initBundle } from '../../model/init.js'
import { packBundle, sealFolder } from '../../model/pack.js'
import { createScorer } from '../../model/scorer.js'
import { type Context, contextOf } from '../context.js'
import { bytes } from '../format.js'
import { type GateFlags, gateOptions, reportGates } from '../gates.js'
import { examples } from '../options.js'
import type { Session } from '../session.js'
import { addBundleKeys } from './bundle-keys.js'

interface InitFlags {
  readonly out?: string
  readonly fields?: string[]
  readonly labels?: string[]
  readonly record?: string
  readonly preprocess?: string
  readonly postprocess?: string
  readonly allowNan?: boolean
  readonly force?: boolean
  readonly golden: boolean
}

const list = (text: string): string[] => text.split(',').map((part) => part.trim())

export const addBundle = (program: Command, session: Session): void => {
  const bundle = program
    .command('bundle')
    .summary('make a bundle of an ONNX model')
    .description(
      'Makes bundles: a model with what it reads, what it says, and the cases that prove it, in one archive.',
    )

  const init = bundle
    .command('init')
    .summary('a folder from an .onnx file')
    .description(
      'Makes a bundle folder out of an ONNX model, from the inputs and outputs that it declares. Outputs that cannot be fetched (the ZipMap that ' +
        'scikit-learn, XGBoost, LightGBM and CatBoost end in) are rewired. Everything guessed or changed is said; correct bundle.json, input.avsc ' +
        'and golden.jsonl as you like, then pack the folder.',
    )
    .argument('<model.onnx>', 'the model')
    .argument('[name@version]', 'what the bundle is called; the name of the file, version 1, by default')
    .option('--out <folder>', 'where it is written; ./name@version by default')
    .option('--fields <list>', 'a name per column, comma-separated: a record of numbers instead of an array', list)
    .option('--labels <list>', 'class names by index, comma-separated', list)
    .option('--record <name>', 'name of the Avro record')
    .option('--preprocess <file.onnx>', 'a graph that runs before the model')
    .option('--postprocess <file.onnx>', 'a graph that runs after it')
    .option('--allow-nan', 'the model reads NaN as missing')
    .option('--no-golden', 'do not run the model once for a first golden case')
    .option('--force', 'write over a bundle that is there')
    .action((model: string, ref: string | undefined, flags: InitFlags) =>
      runInit(contextOf(session, init), model, ref, flags),
    )
  examples(
    init,
    ['millrace bundle init model.onnx mine@1', 'a folder mine@1 with a manifest to look through'],
    [
      'millrace bundle init iris.onnx iris@2 --fields sepal_length,sepal_width,petal_length,petal_width',
      'named fields',
    ],
    ['millrace bundle init net.onnx digits@4 --labels 0,1,2,3,4,5,6,7,8,9', 'name the classes of a plain network'],
  )

  const pack = bundle
    .command('pack')
    .summary('an archive from a folder')
    .description(
      'Packs a bundle folder into one .tar.gz, with the digest of every file. The same folder gives the same bytes.',
    )
    .argument('<folder>', 'made by `millrace bundle init`, or by hand')
    .option('--out <file>', 'the archive; ./name@version.tar.gz by default')
    .action((folder: string, flags: { out?: string }) => runPack(contextOf(session, pack), folder, flags.out))
  examples(
    pack,
    ['millrace bundle pack mine@1', 'writes mine@1.tar.gz'],
    ['millrace bundle pack mine@1 --out models/bundles/mine@1.tar.gz', 'straight into the store of this folder'],
  )

  const check = gateOptions(bundle.command('check'))
    .summary('try a folder or an archive through every gate')
    .description(
      'Puts a bundle through every gate that stands before a switch: digests, schema, graphs, loading, golden cases, latency, budgets, and ' +
        'the deadline where one is set. The model runs in a process of its own.',
    )
    .argument('<path>', 'folder or .tar.gz')
    .action((path: string, flags: GateFlags) => reportGates(contextOf(session, check), path, flags))
  examples(
    check,
    ['millrace bundle check mine@1.tar.gz', 'is it ready to be switched to?'],
    ['millrace bundle check mine@1', 'the folder, before it is packed'],
    [
      'millrace bundle check mine@1.tar.gz --topic digits.input --trust release.pub',
      'for this topic, signed by this key',
    ],
  )
  addBundleKeys(bundle, session)
}

const runInit = async (context: Context, model: string, ref: string | undefined, flags: InitFlags): Promise<void> => {
  const wanted = ref ?? `${basename(model).replace(/\.onnx$/i, '')}@1`
  const [, name, version] = /^([^@]+)@([^@]+)$/.exec(wanted) ?? []
  if (name === undefined || version === undefined)
    throw new MillraceError('usage', `${wanted} is not name@version; try ${wanted.replaceAll('@', '')}@1`)
  const { golden, allowNan, out = `${name}@${version}`, ...others } = flags
  const made = await initBundle({
    ...others,
    model,
    name,
    version,
    out,
    allowNaN: allowNan,
    ...(golden && { scorerFor: createScorer }),
  })
  const { output } = context
  output.result({ ...made, out }, () =>
    [
      `${output.colors.bold(made.ref)} in ${out}`,
      ...made.notes.map((note) => `  ${output.colors.yellow('•')} ${note}`),
      '',
      `Look through ${out}/bundle.json, ${out}/input.avsc and ${out}/golden.jsonl, then:`,
      `  millrace bundle check ${out}`,
      `  millrace bundle pack ${out}`,
    ].join('\n'),
  )
}

const runPack = async (context: Context, folder: string, out: string | undefined): Promise<void> => {
  const packed = await packBundle(folder, out ?? `${(await sealFolder(folder)).ref}.tar.gz`)
  context.output.result(packed, () => `${packed.path}: ${packed.ref}, ${bytes(packed.bytes)}, digest ${packed.digest}`)
}
