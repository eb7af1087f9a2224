/** A row of numbers as a picture, where it has the shape of one. */
import { isDark } from './generation.js'

export interface Scan {
  readonly shape: readonly number[]
  readonly values: readonly number[]
}

/** Two dimensions, or one whose length is a square from 5 × 5 on. */
export const scanSize = ({ shape, values }: Scan): { width: number; height: number } | undefined => {
  const sides = shape.filter((side) => side > 1)
  if (sides.length === 2) return { width: sides[1]!, height: sides[0]! }
  const side = Math.sqrt(values.length)
  return sides.length === 1 && Number.isInteger(side) && side >= 5 ? { width: side, height: side } : undefined
}

/** Ink on paper by day, light on dark by night; the strongest value is full ink. */
export const drawScan = (canvas: HTMLCanvasElement, values: readonly number[]): void => {
  const context = canvas.getContext('2d')
  if (!context) return
  const image = context.createImageData(canvas.width, canvas.height)
  const most = Math.max(...values, 1e-9)
  const [red, green, blue] = isDark() ? [214, 240, 234] : [18, 42, 40]
  values.forEach((value, i) => {
    image.data.set([red!, green!, blue!, Math.round((255 * Math.max(0, value)) / most)], 4 * i)
  })
  context.putImageData(image, 0, 0)
}
