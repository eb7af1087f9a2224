/**
 * What ONNX Runtime alone makes of the two workloads, in this process and without anything around it: no application can be faster. And what
 * is left of that behind a thread, as the pipe has it.
 */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { createScorer } from '../../../pipeline/model/scorer.js'
import { perceptron, seeded, workloads } from '../models.js'
import { comparedTo, type Row, rowOf } from '../result.js'
import type { Part } from '../suite.js'

const batches = [1, 64, 512, 2_048]

export const inference: Part = async ({ smoke, rounds }) => {
  const rows: Row[] = []
  for (const [name, { layers, features }] of Object.entries(workloads)) {
    const model = perceptron(layers)
    const session = await InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1 })
    const measured: Row[] = []
    for (const batch of batches) {
      const data = Float32Array.from({ length: batch * features }, seeded())
      const tensor = new Tensor('float32', data, [batch, features])
      const run = () => session.run({ features: tensor })
      measured.push(rowOf('inference', `${name}, batch ${batch}`, await rates(run, batch, rounds, smoke), 'rows/s'))
    }
    await session.release()
    measured.push(...(await throughThread(name, model, features, rounds, smoke)))
    rows.push(...comparedTo(`${name}, batch 512`, measured))
  }
  return rows
}

/** Two calls at once, as the pipe has them by default. */
const throughThread = async (name: string, model: Buffer, features: number, rounds: number, smoke: boolean) => {
  const scorer = await createScorer({
    ref: `${name}@1`,
    plan: {
      readerSchema: undefined,
      inputs: [
        { tensor: 'features', type: 'float32', shape: [features], width: features, fields: [], allowNaN: false },
      ],
    },
    files: new Map([['model.onnx', model]]),
    manifest: { outputs: { scores: 'probabilities', values: {} } },
  })
  const measured: Row[] = []
  for (const batch of [512, 2_048]) {
    const column = Float32Array.from({ length: batch * features }, seeded())
    const rows = { count: batch, columns: [column] }
    const both = () => Promise.all([scorer.score(rows), scorer.score(rows)])
    const found = await rates(both, 2 * batch, rounds, smoke)
    measured.push(rowOf('inference', `${name}, batch ${batch}, in a thread`, found, 'rows/s'))
  }
  await scorer.close()
  return measured
}

/** Rows a second in each round, after a short one that does not count. */
const rates = async (run: () => Promise<unknown>, batch: number, rounds: number, smoke: boolean) => {
  const found: number[] = []
  for (let round = 0; round <= rounds; round++) {
    const ms = smoke ? 5 : round === 0 ? 200 : 700
    const began = performance.now()
    let calls = 0
    for (; performance.now() - began < ms; calls++) await run()
    if (round > 0) found.push((calls * batch * 1_000) / (performance.now() - began))
  }
  return found
}
