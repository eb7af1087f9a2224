import { MillraceError } from '../../stages/errors.js'
import type { ModelCommand } from '../messages.js'
import { signBytes, signerOf, type TrustedKey } from './keys.js'

/**
 * What the signature of a command covers: every field but the signature itself, and the deployment, so that a command to one is not a command
 * to another. The form on the topic, Avro or JSON, makes no difference. The first line keeps it from ever being a signed manifest.
 */
export function commandBytes(command: ModelCommand, deployment: string): Buffer {
  const { id, action, model, digest, percent, issuedAt, issuer, sequence } = command
  const said = [deployment, id, action, model, digest, percent, issuedAt, issuer, sequence]
  return Buffer.from(`millrace command 1\n${JSON.stringify(said)}`)
}

/** The same command with a signature. Throws `usage` when the key is not a private Ed25519 key. */
export function signCommand(command: ModelCommand, deployment: string, privateKeyPem: string): ModelCommand {
  return { ...command, signature: signBytes(commandBytes(command, deployment), privateKeyPem) }
}

/** The name of the trusted key that signed; undefined when no keys are trusted. Throws `signature-missing` and `signature-wrong`. */
export function verifyCommand(
  command: ModelCommand,
  deployment: string,
  trustedKeys: readonly TrustedKey[],
): string | undefined {
  if (trustedKeys.length === 0) return undefined
  const what = `${command.action} ${command.model ?? ''} of ${command.issuer} (${command.id})`.replace(/\p{Cc}+/gu, ' ')
  if (!command.signature) throw new MillraceError('signature-missing', what)
  const signer = signerOf(commandBytes(command, deployment), command.signature, trustedKeys)
  if (signer === undefined) throw new MillraceError('signature-wrong', what)
  return signer
}
