import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const module = pathToFileURL(resolve('dist/pipeline/heap-growth.js')).href

/** Bytes of the young generation, once some megabytes have outlived a collection. */
const youngBytes = async (before: string): Promise<number> => {
  const script = `
    import v8 from 'node:v8'
    import { letHeapGrow } from '${module}'
    ${before}
    const kept = []
    for (let i = 0; i < 40_000; i++) kept.push({ i, other: { i } })
    console.log(v8.getHeapSpaceStatistics().find((one) => one.space_name === 'new_space').space_size)`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script])
  return Number(stdout)
}

test('the young generation of a worker has its full size after its first growth', async () => {
  const [grown, usual] = await Promise.all([youngBytes('letHeapGrow()'), youngBytes('')])
  expect(grown).toBeGreaterThanOrEqual(16 << 20)
  expect(usual).toBeLessThan(grown)
})
