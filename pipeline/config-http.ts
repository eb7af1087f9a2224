/** Settings of the REST interface and the page, and what they must have to do with one another. */
import { isIPv4 } from 'node:net'
import { z } from 'zod'

export const http = z
  .strictObject({
    enabled: z.boolean().default(true).describe('REST, metrics and the page'),
    host: z.string().min(1).default('127.0.0.1').describe('where to listen; beyond this machine only with a token'),
    port: z.number().int().min(0).max(65_535).default(8085).describe('0: any that is free'),
    token: z.string().min(16).optional().describe('what whoever changes something has to show (bearer token)'),
    tokenFile: z.string().optional().describe('file with the token, instead of the token itself'),
    tls: z
      .strictObject({
        certFile: z.string().describe('certificate of this worker'),
        keyFile: z.string().describe('its key'),
      })
      .optional()
      .describe('PEM files: HTTPS'),
    names: z
      .array(z.string())
      .default([])
      .describe('names by which it is reached from outside, such as that of a proxy'),
    maxUploadBytes: z
      .number()
      .int()
      .positive()
      .default(512 << 20)
      .describe('a larger archive is refused while it arrives'),
    samples: z
      .boolean()
      .optional()
      .describe('a few of the records that pass are shown to whoever can look; by default only on this machine alone'),
    truth: z.string().optional().describe('an echoed field with the true label: accuracy is measured against it'),
  })
  .prefault({})

export type HttpSettings = Readonly<z.output<typeof http>>

/** Whether only this machine can reach the address. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))

/** Whether records are shown: they are the users' own. */
export const showsSamples = ({ samples, host }: Pick<HttpSettings, 'samples' | 'host'>): boolean =>
  samples ?? isLoopback(host)

/** What is wrong between the settings, with the path within the section. */
export function* httpRules({ enabled, host, token, tokenFile, truth }: HttpSettings, echo: readonly string[]) {
  if (token !== undefined && tokenFile !== undefined) yield ['tokenFile', 'is given beside token: choose one'] as const
  if (enabled && !isLoopback(host) && token === undefined && tokenFile === undefined)
    yield ['host', `${host} is reached from other machines: set http.token or http.tokenFile`] as const
  if (truth !== undefined && !echo.includes(truth)) yield ['truth', `${truth} is not in echo`] as const
}
