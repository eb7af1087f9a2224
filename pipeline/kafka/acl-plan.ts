/** Who needs which rights at the broker, and no more: the least that each part of a deployment gets by with, as data. */
import type { PlanNames } from './topic-plan.js'

export const roles = ['worker', 'switcher', 'reader', 'producer', 'replayer'] as const
export type Role = (typeof roles)[number]

export type AclResource = 'topic' | 'group' | 'transactional-id'
export type AclOperation = 'Read' | 'Write' | 'Describe'

export interface Acl {
  readonly resource: AclResource
  readonly name: string
  /** the name alone, or all that begin with it */
  readonly pattern: 'literal' | 'prefixed'
  readonly operations: readonly AclOperation[]
}

export const roleTexts: Readonly<Record<Role, string>> = {
  worker: '`millrace run`',
  switcher:
    '`switch`, `rollback`, `status`, `models push`; a worker with guardrails, or with a token for its REST interface, needs this too',
  reader: '`consume`, and any consumer of the predictions that joins no group',
  producer: '`produce`, and whoever else writes the input',
  replayer: '`dead-letter list`, `show` and `replay`',
}

/** Read and Write bring Describe with them. Creating topics is left to whoever administers the cluster. */
export const planAcls = (names: PlanNames, groupId: string): Readonly<Record<Role, readonly Acl[]>> => {
  const topic = (name: string, ...operations: AclOperation[]): Acl => ({
    resource: 'topic',
    name,
    pattern: 'literal',
    operations,
  })
  const group = (operation: AclOperation): Acl => ({
    resource: 'group',
    name: groupId,
    pattern: 'literal',
    operations: [operation],
  })
  /** of exactly-once deliveries and of replays: the group, and what is written for */
  const transactions = (about: string): Acl => ({
    resource: 'transactional-id',
    name: `${groupId}-${about}`,
    pattern: 'prefixed',
    operations: ['Write', 'Describe'],
  })
  return {
    worker: [
      topic(names.input, 'Read'),
      topic(names.predictions, 'Write'),
      // It reads these for its page.
      topic(names.deadLetter, 'Read', 'Write'),
      topic(names.late, 'Read', 'Write'),
      topic(names.shadow, 'Write'),
      topic(names.control, 'Read'),
      topic(names.events, 'Read', 'Write'),
      topic(names.fences, 'Read', 'Write'),
      topic(names.models, 'Read'),
      group('Read'),
      transactions(names.input),
    ],
    switcher: [
      topic(names.control, 'Read', 'Write'),
      topic(names.events, 'Read'),
      topic(names.fences, 'Read'),
      topic(names.models, 'Read', 'Write'),
      topic(names.input, 'Describe'),
      group('Describe'),
    ],
    reader: [topic(names.predictions, 'Read')],
    producer: [topic(names.input, 'Write')],
    replayer: [topic(names.deadLetter, 'Read'), topic(names.input, 'Read', 'Write'), transactions('replay')],
  }
}

/** What an administrator types to grant it. `principal`: as Kafka writes it, `User:name`. */
export const aclCommand = ({ resource, name, pattern, operations }: Acl, principal: string): string =>
  [
    'kafka-acls.sh --bootstrap-server BROKER --add',
    `--allow-principal '${principal}'`,
    ...operations.map((operation) => `--operation ${operation}`),
    `--${resource} '${name}'`,
    ...(pattern === 'prefixed' ? ['--resource-pattern-type prefixed'] : []),
  ].join(' ')
