import type { Command } from 'commander'
import { MillraceError } from '../../../stages/errors.js'
import { aclCommand, planAcls, type Role, roles, roleTexts } from '../../kafka/acl-plan.js'
import { type Context, contextOf } from '../context.js'
import { examples } from '../options.js'
import type { Session } from '../session.js'

interface AclsFlags {
  readonly principal?: string
}

export const addTopicsAcls = (topics: Command, session: Session): void => {
  const acls = topics
    .command('acls [role]')
    .summary('who needs which rights')
    .description(
      `Prints the commands that grant the least rights each role gets by with (${roles.join(', ')}), for whoever administers the cluster. ` +
        'Nothing is sent to the broker.',
    )
    .option('--principal <type:name>', 'who has the role; User: and its name by default')
    .action((role: string | undefined, flags: AclsFlags) => run(contextOf(session, acls), role, flags))
  examples(
    acls,
    ['millrace topics acls --deployment digits', 'all roles'],
    ['millrace topics acls worker --deployment digits --principal User:scorer', 'one, under its name at the broker'],
  )
}

const isRole = (text: string): text is Role => (roles as readonly string[]).includes(text)

const run = async (context: Context, role: string | undefined, { principal }: AclsFlags): Promise<void> => {
  if (role !== undefined && !isRole(role))
    throw new MillraceError('usage', `there is no role ${role}; there are ${roles.join(', ')}`)
  if (role === undefined && principal !== undefined)
    throw new MillraceError('usage', '--principal has one role: name it')
  const { output } = context
  // No address is needed to say what would be granted there.
  const { config } = await context.loadConfig({ brokers: ['none:9092'], registry: 'http://none' })
  const plan = planAcls(config.topics, config.kafka.groupId)
  const wanted = (role === undefined ? roles : [role]).map((one) => ({
    role: one,
    principal: principal ?? `User:${one}`,
    acls: plan[one],
  }))
  output.result({ deployment: config.deployment, roles: wanted }, () =>
    wanted
      .map(({ role: one, principal: who, acls }) =>
        [
          output.colors.dim(`# ${one}: ${roleTexts[one].replaceAll('`', '')}`),
          ...acls.map((acl) => aclCommand(acl, who)),
        ].join('\n'),
      )
      .join('\n\n'),
  )
}
