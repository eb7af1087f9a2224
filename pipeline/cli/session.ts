/** What the command line gets of the process it runs in; `main` makes it of the real one. */
import type { Readable, Writable } from 'node:stream'
import type { Environment } from '../config-load.js'

export type OutputStream = Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number }

export interface Session {
  readonly environment: Environment
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  /** Ctrl-C, SIGTERM, or a reader of standard output that has gone */
  readonly signal: AbortSignal
}
