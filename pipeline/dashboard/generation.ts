/** A colour for each generation, so that the eye can follow which model said what. */

const hues = [172, 32, 262, 340, 210, 95]

export const generationColor = (generation: number): string =>
  `hsl(${hues[generation % hues.length]} ${isDark() ? '48% 66%' : '58% 36%'})`

export const isDark = (): boolean => {
  const chosen = document.documentElement.dataset.theme
  return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches
}
