import type { Bundle } from '../../../pipeline/model/bundle.js'
import { sealFiles } from '../../../pipeline/model/pack.js'
import { json, temporaryFolder, writeFolder } from './bundle-fixture.js'
import { bytesOf, DataType, type Graph, type Node, node, tensor } from './onnx-fixture.js'

export const schema = {
  type: 'record',
  name: 'Pair',
  fields: [
    { name: 'a', type: 'float' },
    { name: 'b', type: ['null', 'float'], default: null },
  ],
}

const manifest = {
  schema: 1,
  name: 'pair',
  version: '1',
  inputs: [{ tensor: 'X', type: 'float32', shape: [2], fields: ['a', { field: 'b', default: 0 }] }],
  outputs: { scores: 'p' },
}

/** Scores are twice the inputs. */
export const doubling: Graph = {
  input: [tensor('X', [null, 2])],
  output: [tensor('p', [null, 2])],
  node: [node('Add', ['X', 'X'], ['p'])],
}

export interface PairBundle {
  readonly graph?: Graph
  /** instead of a graph */
  readonly model?: Buffer
  readonly change?: Record<string, unknown>
  readonly golden?: readonly { a: number; scores?: readonly number[] }[]
  readonly reader?: unknown
}

export function pairBundle({
  graph = doubling,
  model = bytesOf(graph),
  change = {},
  golden = [{ a: 1, scores: [2, 0] }],
  reader,
}: PairBundle): Bundle {
  const lines = golden.map(({ a, scores }) =>
    JSON.stringify({ record: { a, b: null }, expect: scores ? { scores } : {} }),
  )
  const files = new Map([
    ['bundle.json', json({ ...manifest, ...change })],
    ['model.onnx', model],
    ['input.avsc', json(reader ?? schema)],
    ['golden.jsonl', Buffer.from(lines.join('\n'))],
  ])
  return sealFiles('pair', files)
}

/** The path of a folder with such a bundle. */
export const pairFolder = async (given: PairBundle = {}): Promise<string> =>
  writeFolder(await temporaryFolder(), pairBundle(given).files)

const constantInt = (name: string, value: number[]) => ({
  name,
  dims: [value.length],
  dataType: DataType.INT64,
  int64Data: value,
})

/** Goes round as often as the sum of its inputs says, and adds nothing. */
export const looping: Graph = {
  ...doubling,
  node: [
    node('ReduceSum', ['X'], ['sum'], [{ name: 'keepdims', type: 2, i: 0 }]),
    node('Cast', ['sum'], ['rounds'], [{ name: 'to', type: 2, i: DataType.INT64 }]),
    node('Add', ['X', 'X'], ['start']),
    node('Loop', ['rounds', '', 'start'], ['p'], [{ name: 'body', type: 5, g: loopBody() }]),
  ],
}

function loopBody(): Graph & { name: string } {
  const scalar = (name: string, type: number) => tensor(name, [], type)
  return {
    name: 'body',
    input: [scalar('i', DataType.INT64), scalar('go', DataType.BOOL), tensor('v', [null, 2])],
    output: [scalar('on', DataType.BOOL), tensor('w', [null, 2])],
    node: [node('Identity', ['go'], ['on']), node('Abs', ['v'], ['w'])],
  }
}

/** Fills as many million floats as the sum of its inputs says. */
export const gluttonous: Graph = {
  ...doubling,
  initializer: [constantInt('million', [1_000_000]), constantInt('one', [1])],
  node: [
    node('ReduceSum', ['X'], ['sum'], [{ name: 'keepdims', type: 2, i: 0 }]),
    node('Cast', ['sum'], ['millions'], [{ name: 'to', type: 2, i: DataType.INT64 }]),
    node('Mul', ['millions', 'million'], ['size']),
    node('ConstantOfShape', ['size'], ['zeros']),
    node('ReduceSum', ['zeros'], ['nothing'], [{ name: 'keepdims', type: 2, i: 0 }]),
    node('Add', ['X', 'X'], ['twice']),
    node('Add', ['twice', 'nothing'], ['p']),
  ] as Node[],
}
