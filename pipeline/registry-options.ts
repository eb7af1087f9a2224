/** What the configuration says of the way to the schema registry, with the PEM file read. */
import type { RegistryOptions } from './avro/registry.js'
import type { Config } from './config.js'
import { readPem } from './kafka-options.js'

/** Throws `file-unreadable` for a PEM file that is not there. */
export const registryOptionsOf = async (
  config: Pick<Config, 'registry' | 'registryAuth' | 'registryCaFile'>,
): Promise<RegistryOptions> => ({
  url: config.registry,
  ...(config.registryAuth && { auth: config.registryAuth }),
  ca: await readPem(config.registryCaFile),
})
