import { expect, test } from 'vitest'
import { createLogger } from '../../pipeline/logging.js'

const logged = (pretty: boolean, write: (log: ReturnType<typeof createLogger>) => void, level = 'info') => {
  const lines: string[] = []
  write(createLogger({ level, pretty, colors: false, stream: { write: (text) => lines.push(text) } }))
  return lines
}

test('an event is one line of JSON with a level by name and a time that people can read', () => {
  const [line, ...rest] = logged(false, (log) => log.info({ event: 'activated', model: 'digits@2' }, 'scores now'))
  expect(rest).toEqual([])
  expect(line!.endsWith('\n')).toBe(true)
  expect(JSON.parse(line!)).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    event: 'activated',
    model: 'digits@2',
    msg: 'scores now',
  })
})

test('on a terminal it is a short line, also when the values are not', () => {
  const [line] = logged(true, (log) => log.warn({ reason: 'a\nb', count: 3, err: new Error('no luck') }, 'trouble'))
  expect(line).toMatch(/^[\d:.]{12} warn {2}trouble {2}reason="a b" count=3 err="no luck"\n$/)
})

test('levels below the one asked for are silent, and passwords are never written', () => {
  expect(logged(false, (log) => log.debug('x'))).toEqual([])
  const [line] = logged(false, (log) => log.info({ config: { kafka: { sasl: { password: 'secret' } } } }, 'configured'))
  expect(line).not.toContain('secret')
})
