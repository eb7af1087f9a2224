/** The parts of the documents that are made from the sources: each stands between two comments that name it. */
import { type ErrorEntry, errors, rejects } from '../../stages/errors.js'
import { parseConfig } from '../config.js'
import { type Setting, settings } from '../config-settings.js'
import { isTree, valueAt } from '../config-tree.js'
import { eventTable } from '../event-table.js'
import { type Acl, planAcls, roles, roleTexts } from '../kafka/acl-plan.js'
import { liveSettings } from '../live-config.js'
import { type MetricEntry, metricTable } from '../metric-table.js'
import { aimTable, deadlineTable, peerTable, scaleTable } from './bench-tables.js'
import { markdownTable } from './markdown-table.js'

const parts: Readonly<Record<string, () => string>> = {
  settings: () => settingsTable(),
  live: () => liveSettings.map(code).join(', '),
  acls: () => aclTable(),
  rejects: () => errorTable('`millrace.error`', rejects),
  errors: () => errorTable('code', errors),
  metrics: () => metricsTable(),
  events: () => eventsTable(),
  aims: aimTable,
  peers: peerTable,
  scale: scaleTable,
  deadlines: deadlineTable,
}

/** The text with every generated part made anew. Throws where a part is begun and not ended, or has a name that nobody knows. */
export const withParts = (text: string): string =>
  text.replace(
    /(<!-- begin (\S+) -->\n)(?:(?!<!-- begin )[\s\S])*?(\n<!-- end \2 -->)|<!-- begin .*/g,
    (all, begin, name, end) => {
      const part = parts[name]
      if (!part) throw new Error(`${all.split('\n')[0]}: no such part, or no end`)
      return `${begin}\n${part()}\n${end}`
    },
  )

export const partNames: readonly string[] = Object.keys(parts)

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
const code = (text: string): string => `\`${cell(text)}\``

/** What is left when nothing is set. Names that are made from the deployment's show how. */
const defaults = parseConfig({ deployment: 'D', brokers: ['host:9092'], registry: 'http://host:8081' })
const required: ReadonlySet<string> = new Set(['deployment', 'brokers', 'registry'])

const settingsTable = (): string =>
  markdownTable(
    ['setting', 'default', 'variable', 'what it is'],
    settings
      .filter(({ kind, description }) => kind !== 'group' || description !== '')
      .map((setting) => [code(setting.path), defaultOf(setting), code(setting.environment), cell(setting.description)]),
  )

const defaultOf = ({ path }: Setting): string => {
  if (required.has(path)) return '*required*'
  const value = valueAt(defaults, path)
  const nothing = value === undefined || value === null || JSON.stringify(value) === '[]'
  return nothing || isTree(value) ? '' : code(typeof value === 'string' ? value : JSON.stringify(value))
}

const aclTable = (): string => {
  const plan = planAcls(defaults.topics, defaults.kafka.groupId)
  const name = (acl: Acl) => code(acl.pattern === 'prefixed' ? `${acl.name}*` : acl.name)
  return markdownTable(
    ['role', 'who', 'resource', 'operations'],
    roles.flatMap((role) =>
      plan[role].map((acl, index) => [
        index === 0 ? role : '',
        index === 0 ? cell(roleTexts[role]) : '',
        `${acl.resource} ${name(acl)}`,
        acl.operations.join(', '),
      ]),
    ),
  )
}

const errorTable = (head: string, entries: Readonly<Record<string, ErrorEntry>>): string =>
  markdownTable(
    [head, 'what is wrong', 'again?', 'what to do'],
    Object.entries(entries).map(([name, { message, retryable, remedy }]) => [
      code(name),
      cell(message),
      retryable ? 'may help' : '',
      cell(remedy),
    ]),
  )

const metricsTable = (): string =>
  markdownTable(
    ['metric', 'type', 'unit', 'labels', 'what it is'],
    Object.entries<MetricEntry>(metricTable).map(([name, { type, unit, labels, help }]) => [
      code(name),
      type,
      unit,
      labels.map(code).join(', '),
      cell(help),
    ]),
  )

const eventsTable = (): string =>
  markdownTable(
    ['event', 'log level', 'says', 'when'],
    Object.entries(eventTable).map(([name, { level, fields, help }]) => [
      code(name),
      level,
      fields.map(code).join(', '),
      cell(help),
    ]),
  )
