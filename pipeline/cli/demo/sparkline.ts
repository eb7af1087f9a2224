const bars = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']

/** One character for a share of the highest: a space for none at all. */
export const sparkBar = (value: number, highest: number): string => {
  if (value <= 0 || highest <= 0) return ' '
  return bars[Math.min(bars.length - 1, Math.floor((value / highest) * (bars.length - 1)))]!
}
