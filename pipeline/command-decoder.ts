import { MillraceError } from '../stages/errors.js'
import type { MessageCodec } from './avro/message-codec.js'
import type { ModelCommand } from './messages.js'
import { verifyCommand } from './model/command-signature.js'
import type { TrustedKey } from './model/keys.js'

/**
 * A record of the control log as the command that everybody carries out. Rejects what is none, with `command-invalid`, and where keys are
 * trusted what none of them signed, with `signature-missing` or `signature-wrong`.
 */
export const createCommandDecoder =
  ({ decodeCommand }: Pick<MessageCodec, 'decodeCommand'>, deployment: string, keys: readonly TrustedKey[]) =>
  async ({ value }: { readonly value: Buffer | null }): Promise<ModelCommand> => {
    if (!value) throw new MillraceError('command-invalid', 'it has no value')
    const command = await decodeCommand(value)
    verifyCommand(command, deployment, keys)
    return command
  }
