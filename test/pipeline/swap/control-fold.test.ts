import { describe, expect, test } from 'vitest'
import type { ModelCommand } from '../../../pipeline/messages.js'
import { createControlFold, preparedExpiresMs } from '../../../pipeline/swap/control-fold.js'

let ids = 0
const command = (given: Partial<ModelCommand> & Pick<ModelCommand, 'action'>): ModelCommand => ({
  id: `id-${ids++}`,
  model: null,
  digest: null,
  percent: null,
  issuedAt: 0,
  issuer: '',
  sequence: 0,
  signature: null,
  ...given,
})

const folding = () => foldingFrom('m@1')
const foldingFrom = (initial: string | undefined) => {
  const fold = createControlFold(initial)
  let offset = 0
  return {
    fold,
    say: (given: Parameters<typeof command>[0], timestamp = 0) =>
      fold.apply({ offset: offset++, timestamp, command: command(given) }),
  }
}

test('the model of the configuration is generation 1, each switch one more', () => {
  const { fold, say } = folding()
  expect(fold.current).toMatchObject({ number: 1, model: 'm@1' })
  expect(say({ action: 'SWITCH', model: 'm@2' })).toMatchObject({
    kind: 'generation',
    plan: { number: 2, model: 'm@2' },
  })
  expect(say({ action: 'SWITCH', model: 'm@3', digest: 'd' })).toMatchObject({ plan: { number: 3, digest: 'd' } })
})

test('without a configured model the first switch is generation 2 all the same: workers may differ in their configuration', () => {
  const { fold, say } = foldingFrom(undefined)
  expect(fold.current).toBeUndefined()
  say({ action: 'SWITCH', model: 'm@2' })
  expect(fold.current).toMatchObject({ number: 2, model: 'm@2' })
})

test('numbers do not depend on what a worker has configured, whatever can or cannot be carried out', () => {
  const [one, other] = [foldingFrom('m@1'), foldingFrom(undefined)]
  for (const { say } of [one, other]) {
    say({ action: 'CANARY', model: 'm@9', percent: 10 })
    say({ action: 'ABORT' })
    say({ action: 'SWITCH', model: 'm@2' })
    say({ action: 'ROLLBACK' })
    say({ action: 'SWITCH', model: 'm@3' })
  }
  expect(one.fold.current).toMatchObject({ model: 'm@3', number: other.fold.current?.number })
})

test('a command without an id has its place in the log for a name, so two of them are two', () => {
  const { say, fold } = folding()
  say({ action: 'SWITCH', model: 'm@2', id: '' })
  say({ action: 'SWITCH', model: 'm@3', id: '' })
  expect(fold.current).toMatchObject({ model: 'm@3', command: 'offset-1' })
})

test('a repeated id is ignored', () => {
  const { fold, say } = folding()
  say({ action: 'SWITCH', model: 'm@2', id: 'same' })
  expect(say({ action: 'SWITCH', model: 'm@3', id: 'same' })).toMatchObject({ kind: 'ignored' })
  expect(fold.current).toMatchObject({ number: 2 })
})

test('a sequence that is not above the last of its issuer is ignored; issuers do not mind each other; 0 is none', () => {
  const { say } = folding()
  expect(say({ action: 'SWITCH', model: 'm@2', issuer: 'a', sequence: 5 }).kind).toBe('generation')
  expect(say({ action: 'SWITCH', model: 'm@3', issuer: 'a', sequence: 5 }).kind).toBe('ignored')
  expect(say({ action: 'SWITCH', model: 'm@3', issuer: 'b', sequence: 1 }).kind).toBe('generation')
  expect(say({ action: 'SWITCH', model: 'm@4', issuer: 'a', sequence: 0 }).kind).toBe('generation')
})

describe('PREPARE', () => {
  test('changes nothing until COMMIT', () => {
    const { fold, say } = folding()
    expect(say({ action: 'PREPARE', model: 'm@2' })).toMatchObject({ kind: 'prepare' })
    expect(fold.current).toMatchObject({ number: 1 })
    expect(say({ action: 'COMMIT', model: 'm@2' })).toMatchObject({
      kind: 'generation',
      plan: { number: 2, model: 'm@2', agreed: true },
    })
    expect(fold.prepared).toBeUndefined()
  })

  test('is forgotten with ABORT, and uses up no number', () => {
    const { fold, say } = folding()
    say({ action: 'PREPARE', model: 'm@2' })
    expect(say({ action: 'ABORT', model: 'm@2' })).toMatchObject({ kind: 'abort' })
    expect(say({ action: 'COMMIT', model: 'm@2' })).toMatchObject({ kind: 'refused', code: 'nothing-prepared' })
    say({ action: 'SWITCH', model: 'm@3' })
    expect(fold.current).toMatchObject({ number: 2, model: 'm@3' })
  })

  test('of two clients the first wins and the second is told, until the first has been silent too long', () => {
    const { say } = folding()
    say({ action: 'PREPARE', model: 'm@2' }, 1_000)
    expect(say({ action: 'PREPARE', model: 'm@3' }, 2_000)).toMatchObject({ kind: 'refused', code: 'switch-pending' })
    expect(say({ action: 'PREPARE', model: 'm@3' }, 1_000 + preparedExpiresMs)).toMatchObject({ kind: 'prepare' })
    expect(say({ action: 'COMMIT', model: 'm@2' })).toMatchObject({ kind: 'refused' })
  })

  test('is committed only as what was prepared', () => {
    const { say } = folding()
    say({ action: 'PREPARE', model: 'm@2', digest: 'right' })
    expect(say({ action: 'COMMIT', model: 'm@3' })).toMatchObject({ kind: 'refused' })
    expect(say({ action: 'COMMIT', model: 'm@2', digest: 'wrong' })).toMatchObject({ kind: 'refused' })
    expect(say({ action: 'COMMIT', model: 'm@2', digest: 'right' })).toMatchObject({ plan: { digest: 'right' } })
  })
})

test('ROLLBACK returns to the model before, under a new number, and a second one comes back', () => {
  const { fold, say } = folding()
  expect(say({ action: 'ROLLBACK' })).toMatchObject({ kind: 'refused', code: 'nothing-to-roll-back' })
  say({ action: 'SWITCH', model: 'm@2' })
  expect(say({ action: 'ROLLBACK' })).toMatchObject({ plan: { number: 4, model: 'm@1' } })
  say({ action: 'ROLLBACK' })
  expect(fold.current).toMatchObject({ number: 5, model: 'm@2' })
})

test('what is not a model is refused, whatever the action', () => {
  const { fold, say } = folding()
  for (const action of ['SWITCH', 'PREPARE', 'CANARY', 'SHADOW', 'UNLOAD'] as const)
    for (const model of [null, '', 'no-version', '@', 'a b@1'])
      expect(say({ action, model })).toMatchObject({ kind: 'refused', code: 'command-invalid' })
  expect(fold.plans).toHaveLength(1)
})

test('a canary keeps what was active beside it, and ABORT or ROLLBACK end it as a switch', () => {
  const { fold, say } = folding()
  expect(say({ action: 'CANARY', model: 'm@2', percent: 0 })).toMatchObject({ kind: 'refused' })
  say({ action: 'CANARY', model: 'm@2', percent: 10 })
  expect(fold.current).toMatchObject({ number: 2, mode: 'CANARY', model: 'm@1', candidate: 'm@2', percent: 10 })
  say({ action: 'ABORT' })
  expect(fold.current).toMatchObject({ number: 3, mode: 'ALL', model: 'm@1', candidate: null })
  say({ action: 'SHADOW', model: 'm@2' })
  say({ action: 'ROLLBACK' })
  expect(fold.current).toMatchObject({ number: 5, mode: 'ALL', model: 'm@1' })
})

test('of the issuers who were heard last the sequences are remembered, of whoever was silent for long they are not', () => {
  const { say } = folding()
  const from = (issuer: string, sequence: number) => say({ action: 'ABORT', issuer, sequence }).kind
  from('first', 5)
  from('second', 5)
  for (let i = 0; i < 9_998; i++) from(`issuer-${i}`, 1)
  expect([from('first', 4), from('first', 6)]).toEqual(['ignored', 'refused'])
  from('one more', 1)
  expect([from('second', 5), from('first', 6)]).toEqual(['refused', 'ignored'])
})
