/** Entry of a process that copies once: which codecs kafkajs has is settled for good in the first request. */
import { type CopyJob, copyTopic } from './copy-topic.js'

const copied = await copyTopic(JSON.parse(process.argv[2]!) as CopyJob)
process.send?.(copied, () => process.disconnect())
