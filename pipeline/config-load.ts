/**
 * The configuration from where users write it: flags over environment over file over defaults. Reads files, but neither the process's
 * environment nor its arguments: those are given.
 */
import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { MillraceError } from '../stages/errors.js'
import { type Config, parseConfig } from './config.js'
import { nearestSetting, type Setting, settingAt, settings } from './config-settings.js'
import { isTree, leaves, merge, paths, put, type Tree, valueAt } from './config-tree.js'

export type Environment = Readonly<Record<string, string | undefined>>

export interface ConfigFlags {
  /** path of a YAML or JSON file */
  readonly file?: string
  /** each `path=value` */
  readonly set?: readonly string[]
  /** flags of their own, by the path of their setting; stronger than `set` */
  readonly values?: Readonly<Record<string, string | undefined>>
}

/** `stack`: taken from a local stack that runs; `rest`: changed while running. */
export type ConfigSource = 'flag' | 'env' | 'file' | 'stack' | 'default' | 'rest'

export interface LoadOptions {
  readonly flags: ConfigFlags
  readonly environment: Environment
  /** the local stack, looked for when no brokers are named */
  readonly findStack?: () => Promise<{ readonly brokers: string; readonly registry: string } | undefined>
  /** weaker than everything but the defaults: what a command can do without, by path */
  readonly fallback?: Readonly<Record<string, unknown>>
}

export interface LoadedConfig {
  readonly config: Config
  /** by path, for every setting that has a value */
  readonly sources: ReadonlyMap<string, ConfigSource>
}

/** What was written, before defaults and checks. */
export interface Settings {
  readonly values: Tree
  readonly sources: Map<string, ConfigSource>
}

/** Throws `MillraceError`: `file-unreadable`, `config-invalid` (also for settings that do not exist), `no-brokers`. */
export const loadConfig = async (options: LoadOptions): Promise<LoadedConfig> => {
  const { values, sources } = await readSettings(options.flags, options.environment)
  if (values.brokers === undefined) await useStack(options, values, sources)
  for (const [path, value] of Object.entries(options.fallback ?? {}))
    if (valueAt(values, path) === undefined) put(values, path, value)
  for (const [path, flag] of Object.entries(required)) {
    if (valueAt(values, path) !== undefined) continue
    const { environment } = settingAt(path)!
    throw new MillraceError('config-invalid', `${path} is not set: give ${flag}, ${environment} or a line in the file`)
  }
  const config = parseConfig(values)
  for (const path of leaves(config)) if (!sources.has(path)) sources.set(path, 'default')
  return { config, sources }
}

const required = { deployment: '--deployment NAME', registry: '--registry URL' }

/** The settings that are written in the file, the environment and the flags, the strongest of each; unknown ones are refused. */
export const readSettings = async (flags: ConfigFlags, environment: Environment): Promise<Settings> => {
  const values: Tree = {}
  const sources = new Map<string, ConfigSource>()
  const file = flags.file ?? environment.MILLRACE_CONFIG
  if (file !== undefined) {
    merge(values, await readConfigFile(file))
    for (const path of leaves(values)) sources.set(path, 'file')
  }
  const write = (setting: Setting, text: string, source: ConfigSource) => {
    put(values, setting.path, fromText(setting, text))
    for (const path of sources.keys()) if (path.startsWith(`${setting.path}.`)) sources.delete(path)
    sources.set(setting.path, source)
  }
  for (const setting of settings) {
    const text = environment[setting.environment]
    if (text !== undefined && text !== '') write(setting, text, 'env')
  }
  for (const assignment of flags.set ?? []) {
    const [, path = '', text = ''] = /^([^=]+)=(.*)$/s.exec(assignment) ?? []
    if (path === '') throw new MillraceError('usage', `--set ${assignment}: write path=value`)
    write(settingAt(path) ?? refuse('--set', path), text, 'flag')
  }
  for (const [path, text] of Object.entries(flags.values ?? {}))
    if (text !== undefined) write(settingAt(path) ?? refuse('flags', path), text, 'flag')
  return { values, sources }
}

const readConfigFile = async (file: string): Promise<Tree> => {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new MillraceError('file-unreadable', `${file}: ${(cause as Error).message}`, { cause })
  }
  let tree: unknown
  try {
    // JSON is YAML.
    tree = parse(text, { prettyErrors: true }) ?? {}
  } catch (cause) {
    throw new MillraceError('config-invalid', `${file}: ${(cause as Error).message.split('\n')[0]}`, { cause })
  }
  if (!isTree(tree)) throw new MillraceError('config-invalid', `${file}: write settings as name: value`)
  for (const path of paths(tree)) if (!settingAt(path)) refuse(file, path)
  return tree
}

const refuse = (where: string, path: string): never => {
  const meant = nearestSetting(path)
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`
  throw new MillraceError('config-invalid', `${where}: there is no setting ${path}${hint}`)
}

/** Text of a flag or a variable as the kind of its setting; what does not fit stays as it is, for the check to name. */
const fromText = ({ kind, path }: Setting, text: string): unknown => {
  if (kind === 'text') return text
  if (kind === 'number') return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text
  if (kind === 'boolean' && /^(true|yes|on|1)$/i.test(text)) return true
  if (kind === 'boolean' && /^(false|no|off|0)$/i.test(text)) return false
  if (kind === 'boolean') return text
  if (kind === 'list' && !text.trim().startsWith('['))
    return text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
  try {
    return parse(text)
  } catch (cause) {
    throw new MillraceError('config-invalid', `${path}: ${(cause as Error).message.split('\n')[0]}`, { cause })
  }
}

const useStack = async (options: LoadOptions, values: Tree, sources: Map<string, ConfigSource>): Promise<void> => {
  if (options.fallback?.brokers !== undefined) return
  const stack = await options.findStack?.()
  if (!stack) throw new MillraceError('no-brokers', 'neither --brokers nor MILLRACE_BROKERS nor the file names any')
  for (const [path, value] of Object.entries({ brokers: stack.brokers.split(','), registry: stack.registry })) {
    if (values[path] !== undefined) continue
    values[path] = value
    sources.set(path, 'stack')
  }
}
