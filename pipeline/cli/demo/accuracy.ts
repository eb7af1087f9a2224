/** How often the models are right. */

export interface ModelAccuracy {
  readonly model: string
  readonly predictions: number
  readonly right: number
}

export interface Accuracy {
  add(model: string, right: boolean): void
  /** of the newest predictions, whatever model made them */
  readonly recent: { readonly predictions: number; readonly right: number }
  /** in the order of their first prediction */
  readonly models: readonly ModelAccuracy[]
}

export const recentPredictions = 500

export const createAccuracy = (): Accuracy => {
  const models = new Map<string, { model: string; predictions: number; right: number }>()
  const newest = new Uint8Array(recentPredictions)
  let [total, rightOfNewest] = [0, 0]
  return {
    add(model, right) {
      let one = models.get(model)
      if (!one) {
        one = { model, predictions: 0, right: 0 }
        models.set(model, one)
      }
      one.predictions += 1
      if (right) one.right += 1
      const place = total % recentPredictions
      rightOfNewest += Number(right) - newest[place]!
      newest[place] = Number(right)
      total += 1
    },
    get recent() {
      return { predictions: Math.min(total, recentPredictions), right: rightOfNewest }
    },
    get models() {
      return [...models.values()]
    },
  }
}
