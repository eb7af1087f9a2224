import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createAssembler } from '../../pipeline/model/assembler.js'
import { type ChunkRecord, toChunks } from '../../pipeline/model/chunks.js'

/** One attempt to push some bytes, and what happens to its records on the way. */
interface Attempt {
  readonly digest: string
  readonly push: string
  readonly archive: Uint8Array
  readonly chunkBytes: number
  readonly faults: readonly { readonly kind: 'drop' | 'repeat' | 'corrupt' | 'swap'; readonly at: number }[]
}

const attempts = fc.array(
  fc.record({
    digest: fc.constantFrom('a', 'b').map((letter) => letter.repeat(64)),
    archive: fc.uint8Array({ minLength: 1, maxLength: 40 }),
    chunkBytes: fc.integer({ min: 1, max: 12 }),
    faults: fc.array(fc.record({ kind: fc.constantFrom('drop', 'repeat', 'corrupt', 'swap'), at: fc.nat(50) }), {
      maxLength: 3,
    }),
  }),
  { minLength: 1, maxLength: 4 },
)

async function recordsOf({ digest, push, archive, chunkBytes, faults }: Attempt): Promise<ChunkRecord[]> {
  const records: ChunkRecord[] = []
  for await (const record of toChunks(archive, { ref: 'digits@1', digest }, { push, chunkBytes })) records.push(record)
  for (const { kind, at } of faults) {
    if (records.length === 0) break
    const i = at % records.length
    const record = records[i]!
    if (kind === 'drop') records.splice(i, 1)
    else if (kind === 'repeat') records.splice(at % (records.length + 1), 0, record)
    else if (kind === 'swap') records.push(...records.splice(i, 1))
    else if (record.value) records[i] = { ...record, value: Buffer.from(record.value.map((byte) => byte ^ 1)) }
  }
  return records
}

/** What should come of an attempt: of chunks with one number the last before the archive is complete counts. */
function outcome(records: readonly ChunkRecord[], archive: Uint8Array): 'arrives' | 'refused' | 'nothing' {
  const chunks = new Map<string, Buffer>()
  let end: ChunkRecord | undefined
  for (const record of records) {
    if (record.value) chunks.set(record.key!.toString().split('/')[1]!, record.value)
    else end = record
    const count = end && Number(end.headers!.chunks)
    const numbers = Array.from({ length: count ?? 0 }, (_, n) => String(n))
    if (end && numbers.every((n) => chunks.has(n)))
      return Buffer.concat(numbers.map((n) => chunks.get(n)!)).equals(archive) ? 'arrives' : 'refused'
  }
  return records.length === 0 ? 'nothing' : 'refused'
}

/** Takes turns as `picks` say. */
function interleave(lists: readonly ChunkRecord[][], picks: readonly number[]): ChunkRecord[] {
  const queues = lists.map((list) => [...list])
  const result: ChunkRecord[] = []
  for (let turn = 0; ; turn++) {
    const waiting = queues.filter((queue) => queue.length > 0)
    if (waiting.length === 0) return result
    result.push(waiting[(picks[turn % picks.length] ?? 0) % waiting.length]!.shift()!)
  }
}

test('of pushes in any interleaving with any faults exactly those arrive of which all bytes did', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-chunks-'))
  const picks = fc.array(fc.nat(9), { minLength: 1, maxLength: 40 })
  try {
    await fc.assert(
      fc.asyncProperty(attempts, picks, async (drawn, turns) => {
        const tried = drawn.map((attempt, i): Attempt => ({ ...attempt, push: `push-${i}` }))
        const lists = await Promise.all(tried.map(recordsOf))
        const arrived: string[] = []
        const refused: (string | undefined)[] = []
        const assembler = createAssembler({
          maxBytes: 1000,
          directory,
          onBundle: async ({ path, digest, bytes }) => {
            const content = await readFile(path)
            expect(content.length).toBe(bytes)
            arrived.push(`${digest} ${content.toString('hex')}`)
          },
          onRefused: ({ digest, error }) => {
            expect(error.code).toBe('push-incomplete')
            refused.push(digest)
          },
        })
        for (const record of interleave(lists, turns)) await assembler.feed({ ...record, timestamp: 0 })
        await assembler.expire(Number.POSITIVE_INFINITY)
        const outcomes = tried.map(({ archive }, i) => outcome(lists[i]!, archive))
        const expected = tried.filter((_, i) => outcomes[i] === 'arrives')
        expect(arrived.sort()).toEqual(
          expected.map(({ digest, archive }) => `${digest} ${Buffer.from(archive).toString('hex')}`).sort(),
        )
        expect(refused.sort()).toEqual(
          tried
            .filter((_, i) => outcomes[i] === 'refused')
            .map(({ digest }) => digest)
            .sort(),
        )
        expect(assembler.open).toBe(0)
        expect(await readdir(directory)).toEqual([])
      }),
      { numRuns: 300 },
    )
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})

test('chunks are the archive however it comes, and the end marker says how to check it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 20 })),
      fc.integer({ min: 1, max: 30 }),
      async (parts, size) => {
        async function* stream() {
          yield* parts
        }
        const whole = Buffer.concat(parts)
        for (const source of [stream(), whole]) {
          const records: ChunkRecord[] = []
          const bundle = { ref: 'digits@1', digest: 'c'.repeat(64) }
          for await (const record of toChunks(source, bundle, { push: 'p', chunkBytes: size })) records.push(record)
          const values = records.slice(0, -1).map(({ value }) => value!)
          expect(Buffer.concat(values).equals(whole)).toBe(true)
          expect(values.slice(0, -1).every(({ length }) => length === size)).toBe(true)
          expect(records.map(({ key }) => key!.toString())).toEqual(records.map((_, n) => `${bundle.digest}/${n}`))
          expect(records.at(-1)).toEqual({
            key: Buffer.from(`${bundle.digest}/${values.length}`),
            value: null,
            headers: {
              push: 'p',
              ...bundle,
              chunks: String(values.length),
              bytes: String(whole.length),
              sha256: createHash('sha256').update(whole).digest('hex'),
            },
          })
        }
      },
    ),
  )
})
