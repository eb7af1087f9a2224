import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { MillraceError } from '../../stages/errors.js'
import type { Scorer } from '../../stages/ports.js'
import type { Bundle } from './bundle.js'
import { isBundleFile, manifestFile } from './bundle-files.js'
import { decodeModel, describeModel, encodeModel } from './onnx.js'
import { sealFiles } from './pack.js'
import { avroName, proposeInputs } from './propose-inputs.js'
import { proposeOutputs } from './propose-outputs.js'
import { rewire } from './rewire.js'
import { zeroCase } from './zero-case.js'

export interface InitOptions {
  /** an .onnx file */
  readonly model: string
  /** a folder; made when it is not there */
  readonly out: string
  readonly name: string
  readonly version: string
  /** one name per column: the record then has scalar fields instead of an array */
  readonly fields?: readonly string[]
  /** class names by index, for a model that gives integers or scores alone */
  readonly labels?: readonly string[]
  /** name of the Avro record, with its namespace; made from the bundle's name when left out */
  readonly record?: string
  readonly allowNaN?: boolean
  readonly preprocess?: string
  readonly postprocess?: string
  /** write over a bundle that is there */
  readonly force?: boolean
  /** loads the new bundle to answer its first golden case; without it golden.jsonl is empty */
  readonly scorerFor?: (bundle: Bundle) => Promise<Scorer>
}

export interface Initialised {
  /** name@version */
  readonly ref: string
  readonly digest: string
  /** paths */
  readonly written: readonly string[]
  /** what was changed, guessed or left out, a line each */
  readonly notes: readonly string[]
}

/**
 * Makes a bundle out of an ONNX file: binds its inputs to a reader schema of its own, names its outputs, and rewires outputs that cannot be
 * fetched. Throws `file-unreadable`, `bundle-invalid` and `usage`; nothing is written then.
 */
export async function initBundle(options: InitOptions): Promise<Initialised> {
  const files = new Map<string, Buffer>()
  const notes: string[] = []
  const graph = async (path: string, file: string) => {
    const bytes = await read(path)
    const { model, changes, members } = rewire(decodeModel(basename(path), bytes))
    // A model that needs no change stays what it is, byte for byte.
    files.set(file, changes.length > 0 ? encodeModel(model) : bytes)
    notes.push(...changes.map((change) => `rewired ${change}`))
    return { ...describeModel(model), members }
  }
  const first = options.preprocess && (await graph(options.preprocess, 'preprocess.onnx'))
  const model = await graph(options.model, 'model.onnx')
  const last = options.postprocess && (await graph(options.postprocess, 'postprocess.onnx'))

  const { inputs, schemaFields, notes: onInputs } = proposeInputs((first || model).inputs, options.fields)
  const end = last || model
  const { outputs, notes: onOutputs } = proposeOutputs(end.outputs, options.labels, end.members)
  notes.push(...onInputs, ...onOutputs)
  const record =
    options.record
      ?.split('.')
      .map((name) => avroName(name))
      .join('.') ?? avroName(options.name)
  put(files, 'input.avsc', { type: 'record', name: record, fields: schemaFields })
  put(files, manifestFile, {
    schema: 1,
    name: options.name,
    version: options.version,
    inputs: inputs.map((input) => ({ ...input, ...(options.allowNaN && { allowNaN: true }) })),
    outputs,
  })
  files.set('golden.jsonl', Buffer.alloc(0))
  let bundle = sealFiles(options.out, files)
  if (options.scorerFor) {
    const { line, note } = await zeroCase(bundle, options.scorerFor)
    notes.push(note)
    if (line) bundle = sealFiles(options.out, new Map(files).set('golden.jsonl', Buffer.from(line)))
  }
  const written = await writeAll(options.out, bundle, options.force ?? false)
  return { ref: bundle.ref, digest: bundle.digest, written, notes }
}

const put = (files: Map<string, Buffer>, name: string, value: unknown): void => {
  files.set(name, Buffer.from(`${JSON.stringify(value, null, 2)}\n`))
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    throw new MillraceError('file-unreadable', `${path}: ${(cause as Error).message}`, { cause })
  }
}

/** The manifest goes last: it is what makes a folder a bundle. */
async function writeAll(out: string, bundle: Bundle, force: boolean): Promise<string[]> {
  const names = [...bundle.files.keys()].filter((name) => name !== manifestFile)
  try {
    await mkdir(out, { recursive: true })
    const there = (await readdir(out)).filter(isBundleFile)
    if (there.length > 0 && !force)
      throw new MillraceError('usage', `${out} has ${there.join(', ')} already; --force writes over it`)
    for (const name of there) if (!bundle.files.has(name)) await rm(join(out, name))
    for (const name of [...names, manifestFile]) await writeFile(join(out, name), bundle.files.get(name)!)
  } catch (cause) {
    if (cause instanceof MillraceError) throw cause
    throw new MillraceError('file-unreadable', `${out}: ${(cause as Error).message}`, { cause })
  }
  return [...names, manifestFile].map((name) => join(out, name))
}
