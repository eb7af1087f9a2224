/** A scan in block characters: eight lines of sixteen columns. */

const side = 8
const inkSteps = 16
/** paper to ink; two columns a pixel, since a column is half as wide as it is high */
const shades = ['  ', '░░', '▒▒', '▓▓', '██']

export const digitColumns = 2 * side

export const digitLines = (pixels: readonly number[]): string[] =>
  Array.from({ length: side }, (_, row) =>
    pixels
      .slice(row * side, (row + 1) * side)
      .map((ink) => shades[Math.min(shades.length - 1, Math.ceil((ink / inkSteps) * (shades.length - 1)))]!)
      .join(''),
  )
