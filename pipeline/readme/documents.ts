import { readdirSync } from 'node:fs'
import { join } from 'node:path'

const folders = ['.github', 'docker', 'models', 'pipeline', 'schemas', 'stages', 'test']
const foreign = /(^|\/)(\.venv|node_modules|build)\//

/** Every Markdown document of the repository, by its path from the root, where this is called. */
export const documents = (): string[] => [
  'README.md',
  ...folders
    .flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) =>
        join(folder, name).replaceAll('\\', '/'),
      ),
    )
    .filter((path) => path.endsWith('.md') && !foreign.test(path))
    .sort(),
]
