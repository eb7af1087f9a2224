import { expect, test } from 'vitest'
import { parseConfig } from '../../pipeline/config.js'
import { createLiveConfig } from '../../pipeline/live-config.js'
import { createLogger } from '../../pipeline/logging.js'
import { openSaid, type Said } from '../../pipeline/worker-events.js'

test('what is said while the topic of events cannot be written is kept, the newest hundred of it, with its time', async () => {
  const live = createLiveConfig(parseConfig({ deployment: 'd', brokers: ['b:1'], registry: 'http://r' }))
  const log = createLogger({ level: 'info', pretty: false, colors: false, stream: { write: () => undefined } })
  const closers: (() => Promise<unknown>)[] = []
  const said = openSaid({ live, log, onClose: (close) => void closers.push(close) })
  const began = Date.now()
  live.change({ logLevel: 'debug' })
  expect(log.level).toBe('debug')
  const heard: Said[] = []
  said.subscribe((event) => heard.push(event))
  expect(heard).toMatchObject([{ type: 'configured', reason: 'logLevel info → debug' }])
  expect(heard[0]!.at).toBeGreaterThanOrEqual(began)

  for (let maxRecords = 1; maxRecords <= 150; maxRecords++) live.change({ batch: { maxRecords } })
  expect(heard).toHaveLength(151)
  const late: Said[] = []
  said.subscribe((event) => late.push(event))
  expect(late.map(({ reason }) => reason)).toEqual(heard.slice(-100).map(({ reason }) => reason))

  for (const close of closers) await close()
  live.change({ logLevel: 'warn' })
  expect(heard).toHaveLength(151)
})
