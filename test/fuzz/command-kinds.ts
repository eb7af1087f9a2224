/** Commands, in Avro and in JSON, to a deployment that has had some already. */
import avro from 'avsc'
import fc from 'fast-check'
import { frame } from '../../pipeline/avro/framing.js'
import { createMessageCodec } from '../../pipeline/avro/message-codec.js'
import { readOurSchema } from '../../pipeline/avro/our-schemas.js'
import type { SchemaRegistry } from '../../pipeline/avro/registry.js'
import { createCommandDecoder } from '../../pipeline/command-decoder.js'
import { actions } from '../../pipeline/messages.js'
import { createControlFold } from '../../pipeline/swap/control-fold.js'
import { byteChanges, changeBytes } from './change-bytes.js'
import { changeJson, jsonBytes, jsonChange } from './change-tree.js'
import { kind } from './document-kinds.js'
import type { Kind } from './fuzz.js'
import type { Outcome } from './tally.js'

const schemaId = 7
const schema = readOurSchema('model-command')
const type = avro.Type.forSchema(schema as avro.Schema)
const registry: SchemaRegistry = {
  known: (id) => (id === schemaId ? schema : undefined),
  fetch: async (id) => (id === schemaId ? schema : undefined),
  register: async () => schemaId,
  latest: async () => undefined,
  versions: async () => [],
  close: () => undefined,
}

const command = fc.record({
  id: fc.oneof(fc.nat(10).map(String), fc.constant('')),
  action: fc.constantFrom(...actions),
  model: fc.constantFrom(null, 'digits@1', 'digits@2', 'digits@3'),
  digest: fc.constantFrom(null, 'a'.repeat(64)),
  percent: fc.constantFrom(null, 0, 1, 50, 100),
  issuedAt: fc.nat(1e9),
  issuer: fc.constant('fuzz'),
  sequence: fc.nat(1e9),
  signature: fc.constant(null),
})
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never

const inAvro = (one: Command): Buffer => frame(schemaId, type.toBuffer(one))
const inJson = ({ signature: _, ...one }: Command): Buffer => jsonBytes(one)

export function commandKinds(): Kind[] {
  const decode = createCommandDecoder(createMessageCodec(registry), 'fuzz', [])
  /** What becomes of the last one. */
  const obey = async (before: readonly Command[], last: Buffer): Promise<Outcome> => {
    const fold = createControlFold('digits@1')
    for (const [offset, one] of before.entries())
      fold.apply({ offset, timestamp: offset, command: await decode({ value: inAvro(one) }) })
    const offset = before.length
    const outcome = fold.apply({ offset, timestamp: offset, command: await decode({ value: last }) })
    return outcome.kind === 'refused' ? outcome.code : 'accepted'
  }
  const before = fc.array(command, { maxLength: 6 })
  // Sound ones as well: what is wrong may be that they come now.
  return [
    kind({
      name: 'command, Avro',
      weight: 80,
      inputs: fc.record({ before, command, changes: fc.oneof(fc.constant([]), byteChanges) }),
      judge: ({ before, command, changes }) => obey(before, changeBytes(inAvro(command), changes)),
    }),
    kind({
      name: 'command, JSON',
      weight: 80,
      inputs: fc.record({ before, command, change: fc.oneof(fc.constant({ tree: [] }), jsonChange) }),
      judge: ({ before, command, change }) => obey(before, changeJson(inJson(command), change)),
    }),
  ]
}
