/**
 * A compiled neighbour of this module, for a thread or a process of its own. Plain Node, which they run, loads no TypeScript: when this
 * module runs from the sources (under vitest) the compiled twin in `dist/` is taken, which the tests' global setup builds.
 */
export function compiledModule(file: string): URL {
  const here = import.meta.url
  return new URL(here.endsWith('.ts') ? `../../dist/pipeline/model/${file}` : `./${file}`, here)
}
