/** A colour for each generation, so that the eye can follow which model said what. */

const hues = [172, 32, 262, 340, 210, 95]
/** By day as dark as the brightest of them needs to be to be read as text. */
const shades = { light: '62% 28%', dark: '48% 68%' }

export const generationColor = (generation: number): string =>
  `hsl(${hues[generation % hues.length]} ${isDark() ? shades.dark : shades.light})`

export const isDark = (): boolean => {
  const chosen = document.documentElement.dataset.theme
  return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches
}
