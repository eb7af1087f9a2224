import type { LateEncoder } from '../../stages/ports.js'
import type { MessageCodec } from './message-codec.js'

/** Writes `Late`. */
export const createLateEncoder = ({ encodeLate }: Pick<MessageCodec, 'encodeLate'>): LateEncoder => ({
  encode: ({ offset }, { topic, partition, generation }, { stage, deadline, missedByMs }, at) =>
    encodeLate({
      topic,
      partition,
      offset,
      model: generation.model,
      digest: generation.digest,
      generation: generation.number,
      stage,
      deadline: Math.round(deadline),
      missedByMs,
      at: Math.round(at),
    }),
})
