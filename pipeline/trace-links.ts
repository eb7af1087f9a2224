/** The traces that the records of a batch belong to: their header `traceparent`, as W3C Trace Context writes it. */
import type { Link } from '@opentelemetry/api'
import type { Decoded, Headers } from '../stages/ports.js'

const pattern = /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})/

/** Undefined for what is none: it comes from the topic. */
export const linkOf = (headers: Headers | undefined): Link | undefined => {
  const header = headers?.traceparent
  const value = Array.isArray(header) ? header[0] : header
  const text = Buffer.isBuffer(value) ? value.toString('latin1', 0, 64) : (value ?? '')
  const match = pattern.exec(text)
  if (!match) return undefined
  return {
    context: { traceId: match[1]!, spanId: match[2]!, traceFlags: Number.parseInt(match[3]!, 16) & 1, isRemote: true },
  }
}

/** Of the first records that have one, at most `most`. */
export const linksOf = (parts: readonly Decoded[], most: number): Link[] => {
  const links: Link[] = []
  for (const { records } of parts)
    for (const { headers } of records) {
      const link = headers && linkOf(headers)
      if (link && links.push(link) === most) return links
    }
  return links
}
