/** The page in a real browser, on a real worker with real scans. With MILLRACE_SCREENSHOTS=folder it also takes its picture. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { build } from 'vite'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { parseConfig } from '../../../pipeline/config.js'
import { createLogger } from '../../../pipeline/logging.js'
import { startServedWorker } from '../../../pipeline/serve.js'
import { launchBrowser, openPage } from '../../fixtures/browser.js'
import { createDeployment, type Deployment } from '../../fixtures/deployment.js'
import { digitRecord } from '../../fixtures/digits.js'
import { uniqueName } from '../../fixtures/kafka.js'
import { beyondTheEdge, contrastOf } from '../../fixtures/readable.js'
import { token } from '../../fixtures/served.js'
import { copyStore } from '../../fixtures/store.js'

const pictures = process.env.MILLRACE_SCREENSHOTS
let browser: Browser
let built: string

beforeAll(async () => {
  browser = await launchBrowser()
  built = await mkdtemp(join(tmpdir(), 'millrace-page-'))
  await build({ configFile: resolve('pipeline/dashboard/vite.config.ts'), build: { outDir: built } })
})
afterAll(async () => {
  await browser?.close()
  if (built) await rm(built, { recursive: true })
})

const serve = async (deployment: Deployment, id: string, store: string, deadline: 'soft' | 'firm') => {
  const config = parseConfig({
    ...deployment.settings,
    bundles: { directory: store },
    echo: ['id', 'label'],
    deadline: { class: deadline, ms: 60_000 },
    http: { port: 0, token, truth: 'label' },
    ...(pictures && { verification: { inChild: true } }),
  })
  const logger = createLogger({ level: 'silent', pretty: false, colors: false, stream: process.stderr })
  const served = await startServedWorker({ config, logger, id, page: built })
  onTestFinished(() => served.stop())
  return served
}

/** A deployment with so many workers under a steady stream, and the address of the page that shows the first. */
const scene = async (workers: number, name?: string, deadline: 'soft' | 'firm' = 'soft') => {
  const deployment = await createDeployment({ partitions: 4, ...(name && { name }) })
  const store = await copyStore('digits@1', 'digits@2')
  const ids = ['worker-a', 'worker-b'].slice(0, workers)
  const [first] = await Promise.all(ids.map((id) => serve(deployment, id, store, deadline)))
  const stream = deployment.stream(25, 50)
  onTestFinished(() => stream.end())
  return { deployment, url: first!.url!, stream }
}

/** The page follows what happens elsewhere: nothing of it is there at once. */
const eventually = <T>(what: () => T) => expect.poll(what)

const activeModel = (page: Page) => page.locator('#model .active')
const beside = (page: Page) => page.locator('#model .beside')
const dialog = (page: Page) => page.getByRole('dialog')

/** By day and by night, nothing is cut off and everything stands out from what is behind it, once colours have changed. */
const readable = async (page: Page) => {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    expect(await beyondTheEdge(page)).toEqual([])
    await eventually(async () => (await contrastOf(page)).faint).toEqual([])
    expect((await contrastOf(page)).texts).toBeGreaterThan(50)
  }
}

/** Lets go of a file over an element, as a person does who has dragged it there. */
const drop = async (page: Page, path: string, target: string) => {
  const bytes = (await readFile(path)).toString('base64')
  const dataTransfer = await page.evaluateHandle(`(() => {
    const bytes = Uint8Array.from(atob('${bytes}'), (character) => character.charCodeAt(0))
    const transfer = new DataTransfer()
    transfer.items.add(new File([bytes], '${basename(path)}', { type: 'application/gzip' }))
    return transfer
  })()`)
  for (const type of ['dragover', 'drop']) await page.dispatchEvent(target, type, { dataTransfer })
}

/** Asks for another model, and waits until its gates have reported: whether it is fast enough depends on what else this machine does. */
const askFor = async (page: Page, ref: string) => {
  await page
    .locator('#bundles')
    .getByRole('button', { name: `Switch to ${ref}` })
    .click()
  const begin = dialog(page).locator('button.main')
  expect(await begin.isDisabled()).toBe(true)
  await eventually(() => begin.isEnabled()).toBe(true)
  expect(await dialog(page).locator('li.ok', { hasText: 'golden' }).count()).toBe(1)
  return dialog(page)
}

/** Every text that an element has from now on, also those that nobody had the time to look at. */
const textsOf = async (page: Page, selector: string) => {
  await page.evaluate(`(() => {
    const seen = (globalThis.seen = new Set())
    const element = document.querySelector('${selector}')
    new MutationObserver(() => seen.add(element.textContent)).observe(element, { subtree: true, childList: true, characterData: true })
  })()`)
  return () => page.evaluate<string[]>('[...globalThis.seen]')
}

/** What a prediction should have been is not cut off. */
const mistakesInFull = async (page: Page) => {
  const wrong = page.locator('.card.wrong .said')
  await eventually(() => wrong.allInnerTexts()).toContainEqual(expect.stringMatching(/^\d\s*\d$/))
  const cut = `[...document.querySelectorAll('.said')].filter((one) => one.scrollWidth > one.clientWidth).length`
  expect(await page.evaluate<number>(cut)).toBe(0)
}

const number = '\\d[\\d.,K]*'
const shown = (pattern: string) => expect.stringMatching(new RegExp(`^${pattern}$`))

test('at a glance: the whole deployment, and what is of this worker alone is marked', async () => {
  const { url, deployment } = await scene(2)
  const { page, complaints } = await openPage(browser, url)
  const figures = async () =>
    (await page.locator('.figure').allInnerTexts()).map((text) => text.replace(/\s+/g, ' ').trim())
  await eventually(figures).toEqual([
    shown(`In ${number} records/s ${number} here, ${number} batches/s`),
    shown(`Out ${number} records/s ${number} here`),
    shown(`Latency this worker ${number} m?s p50 ${number} m?s p99`),
    shown(`Lag ${number} records ${number} in flight here`),
    shown(`Accuracy this worker ${number} % of sampled predictions, 10 s`),
  ])
  await eventually(() => page.locator('.stages td:last-child').allTextContents()).toEqual(
    Array.from({ length: 5 }, () => shown(`${number} m?s`)),
  )
  await eventually(() => page.locator('#labels li').count()).toBe(10)
  await eventually(() => page.locator('#workers tbody tr').allInnerTexts()).toEqual([
    shown(`worker-a this one\\s+digits@1\\s+\\S+( \\d)?\\s+${number}\\s+${number}`),
    shown(`worker-b\\s+digits@1\\s+\\S+( \\d)?\\s+${number}\\s+${number}`),
  ])
  expect(await page.locator('h2:has(.scope:visible)').allInnerTexts()).toEqual([
    'Flow this worker',
    'Latency this worker',
    'Predictions this worker',
    'Where the time goes this worker',
    'Deadline this worker',
  ])
  const inks = `(() => {
    const canvas = document.querySelector('.card canvas.scan')
    return new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size
  })()`
  await eventually(() => page.evaluate<number>(inks)).toBeGreaterThan(4)

  await mistakesInFull(page)

  // Two partitions are the other worker's.
  for (let partition = 0; partition < deployment.partitions; partition++)
    await deployment.send(partition, [Buffer.from('no record'), null])
  await eventually(() => page.locator('.codes li').allTextContents()).toEqual(
    expect.arrayContaining(['not-framed 4', 'tombstone 4']),
  )
  await eventually(() => page.locator('#letters-note').textContent()).toMatch(/^8 since [\d:]{8}$/)
  expect(await page.locator('.letter-list li').count()).toBe(8)
  await readable(page)
  expect(complaints).toEqual([])
})

test('a bundle is dropped on the page, its gates report, it scores; a canary, a shadow, and back', {
  timeout: 300_000,
}, async () => {
  const { url, deployment } = await scene(2)
  const { page, complaints } = await openPage(browser, `${url}/#token=${token}`)
  await eventually(() => activeModel(page).textContent()).toBe('digits@1')
  expect(new URL(page.url()).hash).toBe('')
  await eventually(() => page.locator('.card canvas.scan').count()).toBeGreaterThan(3)
  await eventually(() => page.locator('#deadline-note').textContent()).toMatch(
    /^soft, 60 s; 0\.0 % of .* records missed it$/,
  )

  const steps = await textsOf(page, '#switching')
  await drop(page, 'models/bundles/digits@3.tar.gz', '.predictions')
  const gates = await askFor(page, 'digits@3')
  await gates.getByRole('button', { name: 'Switch to digits@3' }).click()
  await eventually(() => activeModel(page).textContent()).toBe('digits@3')
  await eventually(() => page.locator('#switching .switch-title').textContent()).toBe('Switched to digits@3')
  await eventually(() => page.locator('#switching li', { hasText: 'activated' }).count()).toBe(2)
  expect(await steps()).toContainEqual(expect.stringMatching(/^Switching to digits@3.*worker-a(loading|verifying)/))
  await eventually(() => page.locator('.card', { hasText: 'digits@3' }).count()).toBeGreaterThan(0)

  const canary = await askFor(page, 'digits@2')
  await canary.getByRole('spinbutton').fill('40')
  await canary.getByRole('button', { name: 'Begin the canary' }).click()
  await eventually(() => beside(page).locator('.second').textContent()).toBe('Canary: digits@2 scores 40 % of the keys')
  await deployment.predictions.until((all) => {
    const models = all.filter(({ generation }) => generation === 3).map(({ model }) => model)
    return models.includes('digits@2') && models.includes('digits@3')
  })
  await beside(page).getByRole('button', { name: 'End it' }).click()
  await dialog(page).getByRole('button', { name: 'digits@3 alone' }).click()
  await eventually(() => beside(page).isHidden()).toBe(true)

  const shadow = await askFor(page, 'digits@2')
  await shadow.getByRole('radio', { name: /a shadow/ }).check()
  await shadow.getByRole('button', { name: 'Begin the shadow' }).click()
  await eventually(() => beside(page).textContent()).toMatch(/Shadow: digits@2 .*agrees on \d+\.\d % of/)
  expect(await activeModel(page).textContent()).toBe('digits@3')
  await beside(page).getByRole('button', { name: 'Promote it' }).click()
  await dialog(page).getByRole('button', { name: 'Promote digits@2' }).click()
  await eventually(() => activeModel(page).textContent()).toBe('digits@2')

  await page.getByRole('button', { name: 'Roll back' }).click()
  await dialog(page).getByRole('button', { name: 'Roll back to digits@3' }).click()
  await eventually(() => activeModel(page).textContent()).toBe('digits@3')
  // Two workers, twice: the end of the canary was the first time.
  await deployment.events.until((all) => all.filter(({ type }) => type === 'rolled-back').length === 4)
  await readable(page)
  expect(complaints).toEqual([])
})

test('what is wrong is shown: dead letters with their bytes, late records, a wrong token, settings that are refused', async () => {
  const { url, deployment } = await scene(1, undefined, 'firm')
  const { page } = await openPage(browser, url)
  const nonsense = [Buffer.from(`<script>alert(1)</script> is no record${' at all'.repeat(100)}`)]
  for (let partition = 0; partition < deployment.partitions; partition++) await deployment.send(partition, nonsense)
  const letter = page.locator('.letter-list li').first()
  await eventually(() => letter.locator('code').textContent()).toBe('not-framed')
  await letter.locator('summary').click()
  expect(await letter.locator('pre').textContent()).toContain('<script>alert(1)')
  expect(await letter.locator('p').textContent()).toMatch(/^partition \d, offset .* 738 B, the first 256 B of it:$/)
  await deployment.send(0, [digitRecord(deployment.schemaId, 0)], { timestamp: Date.now() - 90_000 })
  await eventually(() => page.locator('#late .codes li').allTextContents()).toEqual(['before the model, not scored 1'])
  expect(await page.locator('.late-list li').allInnerTexts()).toEqual([
    shown('\\d+ s late\\s+partition 0, offset .*, digits@1\\s+[\\d:]{8}'),
  ])
  // With one worker it is the deployment.
  expect(await page.locator('.scope:visible').count()).toBe(0)

  await page.locator('#setting-batch\\.maxRecords').fill('100000')
  await page.getByRole('button', { name: 'Apply' }).click()
  await page.getByLabel('Token').fill('not-the-token-of-this')
  await page.getByRole('button', { name: 'Use it' }).click()
  await eventually(() => page.locator('.toast').last().textContent()).toContain('the token is missing or wrong')
  await page.getByRole('button', { name: 'Unlock' }).click()
  await page.getByLabel('Token').fill(token)
  await page.getByRole('button', { name: 'Use it' }).click()
  await page.getByRole('button', { name: 'Apply' }).click()
  await eventually(() => page.locator('.toast').last().textContent()).toContain('batch.maxRecords')
  await page.locator('#setting-batch\\.maxRecords').fill('512')
  await page.locator('#setting-guardrails\\.maxErrorRate').fill('0.05')
  await page.getByRole('button', { name: 'Apply' }).click()
  await eventually(() => page.locator('.toast').last().textContent()).toContain('guardrails.maxErrorRate is 0.05')
  await readable(page)
})

test('at 380 pixels, by keyboard alone, without anything from elsewhere', async () => {
  const { url } = await scene(1)
  const { page, complaints } = await openPage(browser, `${url}/#token=${token}`, {
    viewport: { width: 380, height: 800 },
    colorScheme: 'light',
    reducedMotion: 'reduce',
  })
  const policy = (await (await fetch(url)).headers.get('content-security-policy')) ?? ''
  expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'")
  await eventually(() => activeModel(page).textContent()).toBe('digits@1')
  await eventually(() => page.locator('.card canvas.scan').count()).toBeGreaterThan(3)
  await readable(page)
  await mistakesInFull(page)

  const focused = () => page.evaluate('document.activeElement.ariaLabel')
  for (let i = 0; i < 40 && (await focused()) !== 'Switch to digits@2'; i++) await page.keyboard.press('Tab')
  const tried = page.waitForResponse(/\/verify$/)
  await page.keyboard.press('Enter')
  await dialog(page).waitFor()
  expect(await focused()).not.toBe('Switch to digits@2')
  await page.keyboard.press('Escape')
  await dialog(page).waitFor({ state: 'detached' })
  expect(await focused()).toBe('Switch to digits@2')

  // The first try goes on behind, and another would be refused until it has ended.
  await tried
  await page.keyboard.press('Enter')
  await dialog(page).locator('li.ok', { hasText: 'golden' }).waitFor()
  await readable(page)
  await page.keyboard.press('Enter')
  await eventually(() => activeModel(page).textContent()).toBe('digits@2')

  // A choice of one's own outlasts what the system says.
  const dark = () => page.evaluate('getComputedStyle(document.body).colorScheme')
  await page.emulateMedia({ colorScheme: 'light' })
  await page.getByRole('button', { name: 'Dark' }).focus()
  await page.keyboard.press('Enter')
  expect(await dark()).toBe('dark')
  expect(complaints).toEqual([])
})

/** The pictures of the documents. */
const takePicture = async (folder: string) => {
  const { url, deployment } = await scene(2, uniqueName('digits'))
  const { page } = await openPage(browser, `${url}/#token=${token}`, { colorScheme: 'light', reducedMotion: 'reduce' })
  const until = (ms: number) => page.waitForTimeout(ms)
  await until(45_000)
  const damaged = [
    Buffer.from('{"id": "scan-1", "pixels": []}'),
    Buffer.concat([Buffer.from([0, 0, 0, 0, 1]), Buffer.from('another')]),
    null,
  ]
  for (let partition = 0; partition < deployment.partitions; partition++) await deployment.send(partition, damaged)
  await until(5_000)
  const shoot = (name: string, fullPage = true) => page.screenshot({ path: join(folder, `${name}.png`), fullPage })
  await drop(page, 'models/bundles/digits@3.tar.gz', '.predictions')
  await askFor(page, 'digits@3')
  await shoot('gates', false)
  await page.keyboard.press('Escape')
  await page.evaluate('document.activeElement.blur()')
  await page.locator('.toast').waitFor({ state: 'detached' })
  await deployment.command({ action: 'SWITCH', model: 'digits@2' })
  await page.locator('#switching .going').waitFor()
  await shoot('switching', false)
  await until(10_000)
  await shoot('light')
  await page.emulateMedia({ colorScheme: 'dark' })
  await until(1_200)
  await shoot('dark')
  await page.setViewportSize({ width: 380, height: 1100 })
  await page.emulateMedia({ colorScheme: 'light' })
  await until(1_500)
  await shoot('narrow', false)
}

if (pictures) test('its picture', { timeout: 240_000 }, () => takePicture(pictures))
