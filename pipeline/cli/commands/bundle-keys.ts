import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { MillraceError } from '../../../stages/errors.js'
import { generateKeys, signBundle } from '../../model/signature.js'
import { type Context, contextOf } from '../context.js'
import { examples } from '../options.js'
import type { Session } from '../session.js'
import { readText } from '../text-file.js'

/** `sign` and `keygen`, below `millrace bundle`. */
export const addBundleKeys = (bundle: Command, session: Session): void => {
  const keygen = bundle
    .command('keygen')
    .summary('a pair of keys to sign with')
    .description(
      'Makes a pair of Ed25519 keys: NAME.key signs and stays with whoever releases models, NAME.pub is for the workers that trust it.',
    )
    .argument('<name>', 'of the files, without an ending')
    .option('--force', 'write over keys that are there')
    .action((name: string, flags: { force?: boolean }) => runKeygen(contextOf(session, keygen), name, flags.force))
  examples(keygen, ['millrace bundle keygen release', 'writes release.key and release.pub'])

  const sign = bundle
    .command('sign')
    .summary('sign a folder or an archive')
    .description(
      'Signs the manifest of a bundle, and with it the digest of every file in it. The bundle keeps its digest; workers that trust keys take ' +
        'no other bundles.',
    )
    .argument('<path>', 'folder or .tar.gz')
    .requiredOption('--key <file>', 'private key, made by `millrace bundle keygen`')
    .action((path: string, flags: { key: string }) => runSign(contextOf(session, sign), path, flags.key))
  examples(sign, ['millrace bundle sign mine@1.tar.gz --key release.key', 'the archive is signed in its place'])
}

const runKeygen = async (context: Context, name: string, force = false): Promise<void> => {
  const { privateKeyPem, publicKeyPem } = generateKeys()
  const [privateKey, publicKey] = [`${name}.key`, `${name}.pub`]
  const flag = force ? 'w' : 'wx'
  try {
    await writeFile(privateKey, privateKeyPem, { flag, mode: 0o600 })
    await writeFile(publicKey, publicKeyPem, { flag })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST')
      throw new MillraceError('usage', `${name}.key or ${name}.pub is there already; --force writes over it`, { cause })
    throw new MillraceError('file-unreadable', (cause as Error).message, { cause })
  }
  context.output.result(
    { privateKey, publicKey },
    () => `${privateKey} signs; keep it to yourself\n${publicKey} is what workers trust`,
  )
}

const runSign = async (context: Context, path: string, key: string): Promise<void> => {
  const { ref, digest } = await signBundle(path, await readText(key))
  context.output.result({ path, ref, digest }, () => `${path}: ${ref} is signed, digest ${digest}`)
}
