/**
 * Millrace as a library: a worker in a program of yours (`createPipeline`), a deployment from outside (`createClient`), and the parts of which
 * the pipe is made, for a pipe of your own (`openPorts` and the operators, which `millrace/stages` has alone).
 *
 * @module millrace
 */

export * from '../stages/index.js'
export type { DeploymentStatus, ModelInUse, PartitionInGroup, WorkerInGroup } from './client/deployment-status.js'
export type { Produced, ProduceOptions } from './client/producing.js'
export type { ReadOptions } from './client/reading.js'
export type { CreatedTopic, TopicOptions } from './client/topics.js'
export {
  type Client,
  type ClientOptions,
  type CommandSent,
  createClient,
  type RollbackOptions,
  type SwitchOptions,
} from './client.js'
export {
  type Config,
  type ConfigInput,
  configJsonSchema,
  type KafkaSettings,
  parseConfig,
  type TopicNames,
  topicNames,
} from './config.js'
export type { CostRow } from './cost-profile.js'
export type { FallbackStatus } from './deadline-fallback.js'
export type { DeadlineStats, MissStage, SlackStage } from './deadline-stats.js'
export type { Fence, Late, ModelEvent, ModelEventType, Prediction, Shadow } from './messages.js'
export { openPorts, type PipePorts } from './open-ports.js'
export type { Part, PartState } from './part-states.js'
export type { PipeObserver, TransactionResult } from './pipe-observer.js'
export type { PipeStats, StageTime } from './pipe-stats.js'
export { createPipeline, type Pipeline, type PipelineOptions } from './pipeline.js'
export type { ShadowStats } from './shadow-report.js'
export type { BudgetCount, GenerationStages } from './stage-costs.js'
export type { WorkerStatus } from './start.js'
export type { GenerationState } from './swap/generation-states.js'
export type { AnswerState } from './swap/group-answers.js'
export type { GroupRollbackResult } from './swap/group-rollback.js'
export type { GroupSwitchResult, SwitchPhase, SwitchProgress, WorkerState } from './swap/group-switch.js'
export type { Beside, ModelStatus, SwapStatus } from './swap/swap-status.js'
