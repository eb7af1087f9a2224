/** The page: one stream of what happens, a look at the status every two seconds, and what a person wants changed. */
import 'uplot/dist/uPlot.min.css'
import './styles/theme.css'
import './styles/base.css'
import './styles/layout.css'
import './styles/model.css'
import './styles/predictions.css'
import './styles/tables.css'
import './styles/records.css'
import './styles/dialogs.css'
import './styles/narrow.css'
import './styles/hidden.css'
import type { FlowFrame } from '../flow-history.js'
import type { Status } from '../rest-views.js'
import { createActions } from './actions.js'
import { api, listen, takeTokenFromAddress } from './api.js'
import { createChart } from './charts.js'
import { byId, setText } from './dom.js'
import { count, duration, time } from './format.js'
import { markPanels, showScope } from './scope.js'
import { startTheme } from './theme.js'
import { createBundles } from './views/bundles.js'
import { createDeadline } from './views/deadline.js'
import { createEvents } from './views/events.js'
import { createFigures } from './views/figures.js'
import { createLate } from './views/late.js'
import { createLetters } from './views/letters.js'
import { createModel } from './views/model.js'
import { createLabels, createPredictions } from './views/predictions.js'
import { createSettings } from './views/settings.js'
import { createStages } from './views/stages.js'
import { createWorkers } from './views/workers.js'

takeTokenFromAddress()
markPanels()

const keptFrames = 300
let frames: FlowFrame[] = []
let status: Status | undefined

const { run, rollback, promote } = createActions({ status: () => status, refresh: () => refresh() })

const figures = createFigures(byId('figures'))
const flow = createChart(byId('flow-chart'), {
  legend: byId('flow-legend'),
  format: count,
  lines: [
    { label: 'in', of: (frame) => frame.in, color: '--flow', filled: true },
    { label: 'out', of: (frame) => frame.out, color: '--ink' },
    { label: 'dead', of: (frame) => frame.deadLetters, color: '--bad' },
    { label: 'late', of: (frame) => frame.late, color: '--warm', optional: true },
  ],
})
const latency = createChart(byId('latency-chart'), {
  legend: byId('latency-legend'),
  format: duration,
  cutOutliers: true,
  lines: [
    { label: 'p99', of: ({ p99 }) => p99, color: '--warm', filled: true },
    { label: 'p50', of: ({ p50 }) => p50, color: '--ink' },
  ],
})
const model = createModel(byId('model'), byId('switching'), {
  rollback: () => void rollback(),
  promote: () => void promote(),
})
const workersPresent = () => status?.group.workers.filter(({ present }) => present).length ?? 1
const bundles = createBundles(byId('bundles'), { run, workers: workersPresent })
const predictions = createPredictions(byId('predictions'), byId('predictions-note'))
const labels = createLabels(byId('labels'))
const stages = createStages(byId('stages'), byId('stages-note'))
const deadline = createDeadline(byId('deadline-panel'), byId('deadline'), byId('deadline-note'))
const late = createLate(byId('late-panel'), byId('late'), byId('late-note'))
const workers = createWorkers(byId('workers'), byId('workers-note'))
const letters = createLetters(byId('letters'), byId('letters-note'))
const events = createEvents(byId('events'))
const settings = createSettings(byId('settings'), run)

const showFrames = () => {
  flow.show(frames)
  latency.show(frames)
  stages(frames)
  const last = frames.at(-1)
  if (last) figures.frame(last)
}

const showStatus = (next: Status) => {
  status = next
  document.title = `${next.deployment} · Millrace`
  setText(byId('deployment'), next.deployment)
  setText(byId('worker'), `${next.worker}, since ${time(next.startedAt)}`)
  const waiting = next.parts.find(({ state }) => state === 'waiting')
  const state = byId('state')
  setText(state, next.ready ? 'Running' : waiting ? `Waiting for ${waiting.part}: ${waiting.detail}` : 'Starting')
  state.className = `state ${next.ready ? 'good' : 'waiting'}`
  figures.status(next)
  model(next)
  deadline(next)
  workers(next)
  showScope(next)
}

let refreshing: ReturnType<typeof setTimeout> | undefined
/** Looks at what does not come by itself; several reasons within a moment are one. */
const refresh = (afterMs = 150): void => {
  clearTimeout(refreshing)
  refreshing = setTimeout(async () => {
    const loaded = await Promise.all([api.status(), api.models(), api.settings()]).catch(() => undefined)
    if (!loaded) return
    showStatus(loaded[0])
    bundles(loaded[1])
    settings(loaded[2].settings)
  }, afterMs)
}

setInterval(() => {
  if (!document.hidden) api.status().then(showStatus, () => undefined)
}, 2_000)

startTheme(byId('theme'), () => {
  flow.restyle()
  latency.restyle()
  showFrames()
  predictions.redraw()
  if (status) showStatus(status)
})

const trouble = byId('trouble')
listen({
  history(history) {
    frames = [...history.frames]
    events.replace(history.events)
    predictions.add(history.predictions, 12)
    if (history.deadLetters) letters(history.deadLetters)
    if (history.lateRecords) late(history.lateRecords)
    labels(history.labels)
    if (!history.shown) setText(byId('predictions-note'), 'records are not shown here: see http.samples')
    showFrames()
    refresh(0)
  },
  frame({ frame, ...sampled }) {
    frames = [...frames, frame].slice(-keptFrames)
    if (sampled.predictions.length > 0) predictions.add(sampled.predictions)
    if (sampled.deadLetters) letters(sampled.deadLetters)
    if (sampled.lateRecords) late(sampled.lateRecords)
    labels(sampled.labels)
    if (!document.hidden) showFrames()
  },
  event(event) {
    events.add(event)
    refresh()
  },
  connected(connected) {
    trouble.hidden = connected
    setText(trouble, connected ? '' : 'This worker cannot be reached; trying again. What is shown is how it was.')
  },
})
