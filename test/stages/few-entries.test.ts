import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FewEntries, FewMembers } from '../../stages/few-entries.js'

const step = fc.oneof(
  fc.record({ does: fc.constant('set' as const), key: fc.nat(6), value: fc.integer() }),
  fc.record({ does: fc.constant('delete' as const), key: fc.nat(6) }),
  fc.record({ does: fc.constant('clear' as const) }),
)

test('holds what a Map holds', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const [few, map] = [new FewEntries<number, number>(), new Map<number, number>()]
      for (const one of steps) {
        if (one.does === 'set') {
          few.set(one.key, one.value)
          map.set(one.key, one.value)
        } else if (one.does === 'delete') expect(few.delete(one.key)).toBe(map.delete(one.key))
        else {
          few.clear()
          map.clear()
        }
        const seen: [number, number][] = []
        few.forEach((value, key) => {
          seen.push([key, value])
        })
        expect(seen).toEqual([...map])
        expect([...few]).toEqual([...map])
        expect(few.values()).toEqual([...map.values()])
        expect(few.size).toBe(map.size)
        for (let key = 0; key <= 6; key++) {
          expect(few.has(key)).toBe(map.has(key))
          expect(few.get(key)).toBe(map.get(key))
        }
      }
    }),
  )
})

test('visits what was there, although it is deleted meanwhile', () => {
  const few = new FewEntries<string, number>().set('a', 1).set('b', 2).set('c', 3)
  const seen: string[] = []
  few.forEach((_, key) => {
    seen.push(key)
    few.delete(key)
  })
  expect(seen).toEqual(['a', 'b', 'c'])
  expect(few.size).toBe(0)
})

const module = pathToFileURL(resolve('dist/stages/few-entries.js')).href

/** Bytes that the old generation grows by while entries come and go in what `made` makes. */
const oldBytes = async (made: string): Promise<number> => {
  const script = `
    import v8 from 'node:v8'
    import { FewEntries } from '${module}'
    const entries = ${made}
    const bytes = () => v8.getHeapSpaceStatistics().find((one) => one.space_name === 'old_space').space_used_size
    gc()
    gc()
    const before = bytes()
    let most = 0
    for (let i = 0; i < 100_000; i++) {
      entries.set(i, new Array(50).fill(i))
      entries.delete(i)
      if (i % 1_000 === 0) most = Math.max(most, bytes() - before)
    }
    console.log(most)`
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--expose-gc',
    '--input-type=module',
    '--eval',
    script,
  ])
  return Number(stdout)
}

test('holds what a Set holds', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const [few, set] = [new FewMembers<number>(), new Set<number>()]
      for (const one of steps) {
        if (one.does === 'set') {
          few.add(one.key)
          set.add(one.key)
        } else if (one.does === 'delete') expect(few.delete(one.key)).toBe(set.delete(one.key))
        else {
          few.clear()
          set.clear()
        }
        expect([...few]).toEqual([...set])
      }
    }),
  )
})

test('leaves nothing to the old generation, as a Map does that runs empty', async () => {
  const [few, map] = await Promise.all([oldBytes('new FewEntries()'), oldBytes('new Map()')])
  expect(few).toBeLessThan(1 << 20)
  expect(map).toBeGreaterThan(few)
})
