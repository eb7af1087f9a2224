import { execFile } from 'node:child_process'
import { MillraceError } from '../stages/errors.js'

export const oldestJava = 17

/**
 * The Java to run: that of JAVA_HOME where the environment names one, else `java` of the search path.
 *
 * Errors: `java-missing`, `java-too-old`.
 */
export async function findJava(environment: NodeJS.ProcessEnv | undefined): Promise<string> {
  const java = environment?.JAVA_HOME ? `${environment.JAVA_HOME}/bin/java` : 'java'
  const output = await versionOf(java, ['-version'], environment)
  if (output === undefined) throw new MillraceError('java-missing', `${java} cannot be run`)
  const major = javaMajor(output)
  if (major === undefined) throw new MillraceError('java-missing', `${java} does not tell its version`)
  if (major < oldestJava)
    throw new MillraceError('java-too-old', `Java ${major}, ${oldestJava} is the oldest that works`)
  return java
}

/** Errors: `maven-missing`. */
export async function requireMaven(environment: NodeJS.ProcessEnv | undefined): Promise<void> {
  const output = await versionOf('mvn', ['-v'], environment)
  if (output === undefined) throw new MillraceError('maven-missing', 'mvn cannot be run')
}

/** 17 for `openjdk version "17.0.15"`, 8 for `java version "1.8.0_402"`, 25 for `openjdk version "25-ea"`. */
export function javaMajor(versionOutput: string): number | undefined {
  const [, first, second] = /version "(\d+)(?:\.(\d+))?/.exec(versionOutput) ?? []
  if (first === undefined) return undefined
  return Number(first === '1' && second !== undefined ? second : first)
}

/** Everything it prints (java writes its version to standard error); undefined when it cannot be run or fails. */
function versionOf(
  command: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv | undefined,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(command, args, { env: environment, timeout: 30_000 }, (error, stdout, stderr) => {
      resolve(error ? undefined : stdout + stderr)
    })
  })
}
