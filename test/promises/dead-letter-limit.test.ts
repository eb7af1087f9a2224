import { expect, test } from 'vitest'
import { startMillrace } from '../fixtures/cli.js'
import { createDeployment } from '../fixtures/deployment.js'
import { committedOffset } from '../fixtures/kafka.js'

test.each(['at-least-once', 'exactly-once'])(
  '%s: when everything turns bad the workers end, one after the other, say why, and have committed nothing of what they ended at',
  async (delivery) => {
    const deployment = await createDeployment({ partitions: 1 })
    const { name, topics } = deployment
    await deployment.sendDigits(20)
    const settings = ['deadLetter.limit.count=10', 'deadLetter.limit.share=0.5', `delivery=${delivery}`]
    const start = () =>
      startMillrace(['run', '--model', 'digits@1', '--no-http', ...settings.flatMap((setting) => ['--set', setting])], {
        environment: { MILLRACE_DEPLOYMENT: name },
      })
    // One of them has the partition, and when it has ended the other.
    const workers = [start(), start()]
    await deployment.answered()
    // Below the limit: they are dead letters like any others.
    await deployment.send(0, Array(5).fill(Buffer.from('no Avro at all')))
    await deployment.answered()
    await deployment.send(0, Array(200).fill(Buffer.from('no Avro at all')))
    for (const { finished } of workers) {
      const { code, stderr } = await finished
      expect(code).toBe(1)
      expect(stderr).toMatch(
        /\nmillrace: too many records cannot be scored: \d+ of \d+ records within 60 s\. Look at `/,
      )
    }

    await deployment.events.until((all) => all.filter(({ type }) => type === 'left').length === 2)
    const halted = { type: 'halted', code: 'dead-letter-limit', reason: expect.stringMatching(/ of /) }
    expect(deployment.events.items.filter(({ type }) => type === 'halted')).toMatchObject([halted, halted])
    // What is committed is what is answered: whoever starts next meets the rest.
    const committed = await committedOffset(name, topics.input, 0)
    await deployment.deadLetters.until((all) => all.length >= committed! - 20)
    expect(deployment.deadLetters.items).toHaveLength(committed! - 20)
    expect(committed).toBeLessThan(225)
  },
)
