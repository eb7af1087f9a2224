import { expect, test } from 'vitest'
import { type OurSchema, readOurSchema } from '../../../pipeline/avro/our-schemas.js'
import {
  actions,
  type Fence,
  type Late,
  type ModelCommand,
  type ModelEvent,
  type Prediction,
  type Shadow,
} from '../../../pipeline/messages.js'

/** The compiler holds these lists to the types: a field too many or too few does not compile. */
type Names<T> = Record<keyof Required<T>, true>
const prediction: Names<Prediction> = {
  ...{ topic: true, partition: true, offset: true, model: true, digest: true, generation: true, label: true },
  ...{ scores: true, values: true, late: true, scoredAt: true, echo: true },
}
const command: Names<ModelCommand> = {
  ...{ id: true, action: true, model: true, digest: true, percent: true, issuedAt: true, issuer: true },
  ...{ sequence: true, signature: true },
}
const event: Names<ModelEvent> = {
  ...{ type: true, worker: true, command: true, model: true, digest: true, generation: true, code: true },
  ...{ reason: true, at: true },
}
const fence: Names<Fence> = {
  ...{ deployment: true, topic: true, partition: true, generation: true, offset: true, model: true, digest: true },
  ...{ mode: true, candidate: true, candidateDigest: true, percent: true, command: true, worker: true, at: true },
}
const late: Names<Late> = {
  ...{ topic: true, partition: true, offset: true, model: true, digest: true, generation: true, stage: true },
  ...{ deadline: true, missedByMs: true, at: true },
}
const shadow: Names<Shadow> = {
  ...{ topic: true, partition: true, offset: true, generation: true, model: true, digest: true, candidate: true },
  ...{ candidateDigest: true, label: true, candidateLabel: true, agree: true, distance: true, at: true },
}

interface Field {
  readonly name: string
  readonly type: unknown
}
const fieldsOf = (name: OurSchema) => (readOurSchema(name) as { fields: Field[] }).fields

test.each<[OurSchema, Record<string, true>]>([
  ['prediction', prediction],
  ['model-command', command],
  ['model-event', event],
  ['fence', fence],
  ['late', late],
  ['shadow', shadow],
])('schemas/%s.avsc has the fields of its type, in their order', (name, names) => {
  expect(fieldsOf(name).map((field) => field.name)).toEqual(Object.keys(names))
})

test('the actions are those of the schema', () => {
  const action = fieldsOf('model-command').find(({ name }) => name === 'action')
  expect(action?.type).toMatchObject({ symbols: [...actions] })
})
