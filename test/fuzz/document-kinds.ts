/** Manifests, schemas, golden cases, settings. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { stringify } from 'yaml'
import { frame } from '../../pipeline/avro/framing.js'
import { createRecordDecoder } from '../../pipeline/avro/record-decoder.js'
import { parseConfig } from '../../pipeline/config.js'
import { loadConfig } from '../../pipeline/config-load.js'
import { goldenRows, parseGolden } from '../../pipeline/model/golden.js'
import { parseManifest } from '../../pipeline/model/manifest.js'
import { toScoringPlan } from '../../pipeline/model/scoring-plan.js'
import { digitBytes, digitSchema, digits } from '../fixtures/digits.js'
import { named, typed } from '../property/avro-arbitrary.js'
import { byteChanges, changeBytes, someBytes } from './change-bytes.js'
import { changeJson, changeTree, jsonChange, treeChanges } from './change-tree.js'
import { type Corpus, settings } from './corpus.js'
import type { Kind } from './fuzz.js'

/** For a list of different kinds. */
export const kind = <Input>(one: Kind<Input>): Kind => one as Kind

const schemaId = 7

export function documentKinds({ bundles, directory }: Corpus): Kind[] {
  const ofBundle = fc.constantFrom(...Object.keys(bundles))
  const file = (ref: string, name: string): Buffer => bundles[ref]!.files.get(name)!
  const { plan } = bundles['digits@1']!
  const configPath = join(directory, 'config.yaml')
  return [
    kind({
      name: 'manifest',
      weight: 130,
      inputs: fc.record({ of: ofBundle, change: jsonChange }),
      judge({ of, change }) {
        parseManifest(changeJson(file(of, 'bundle.json'), change))
        return 'accepted'
      },
    }),
    kind({
      name: "reader's schema",
      weight: 100,
      inputs: fc.record({ of: ofBundle, changes: treeChanges }),
      judge({ of, changes }) {
        const { manifest, plan } = bundles[of]!
        toScoringPlan(manifest, changeTree(plan.readerSchema, changes))
        return 'accepted'
      },
    }),
    kind({
      name: "writer's schema",
      weight: 140,
      inputs: fc.record({
        schema: fc.oneof(
          { weight: 2, arbitrary: treeChanges.map((changes) => ({ changes })) },
          typed.map(({ schema }) => ({ other: named(schema) })),
        ),
        datum: fc.oneof(fc.nat(digits.length - 1), someBytes(64)),
      }),
      async judge({ schema, datum }) {
        const written = 'other' in schema ? schema.other : changeTree(digitSchema, schema.changes)
        const registry = { known: () => written, fetch: async () => written }
        const value = frame(schemaId, typeof datum === 'number' ? digitBytes(digits[datum]!) : datum)
        const records = [{ offset: 0, timestamp: 0, key: null, value, headers: undefined }]
        const { rejected } = await createRecordDecoder({ registry, echo: ['id'] }).decode(records, plan)
        return rejected.get(0)?.code ?? 'accepted'
      },
    }),
    kind({
      name: 'golden cases',
      weight: 50,
      inputs: fc.record({ of: ofBundle, change: jsonChange }),
      judge({ of, change }) {
        const [line = ''] = file(of, 'golden.jsonl').toString().split('\n')
        for (const golden of parseGolden(changeJson(Buffer.from(line), change))) goldenRows(golden, bundles[of]!.plan)
        return 'accepted'
      },
    }),
    kind({
      name: 'settings',
      weight: 60,
      inputs: treeChanges,
      judge(changes) {
        parseConfig(changeTree(settings, changes))
        return 'accepted'
      },
    }),
    kind({
      name: 'settings file',
      weight: 20,
      inputs: fc.oneof(fc.record({ tree: treeChanges }), fc.record({ text: byteChanges })),
      async judge(change) {
        const sound = 'tree' in change ? changeTree(settings, change.tree) : settings
        const text = Buffer.from(stringify(sound))
        await writeFile(configPath, 'text' in change ? changeBytes(text, change.text) : text)
        await loadConfig({ flags: { file: configPath }, environment: {} })
        return 'accepted'
      },
    }),
  ]
}
