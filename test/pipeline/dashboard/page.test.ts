/** The page in a real browser, on a real worker with real scans. With MILLRACE_SCREENSHOTS=folder it also takes its picture. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { build } from 'vite'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { parseConfig } from '../../../pipeline/config.js'
import { createLogger } from '../../../pipeline/logging.js'
import { startServedWorker } from '../../../pipeline/serve.js'
import { launchBrowser, openPage } from '../../fixtures/browser.js'
import { createDeployment, type Deployment } from '../../fixtures/deployment.js'
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

const serve = async (deployment: Deployment, id: string, store: string) => {
  const config = parseConfig({
    ...deployment.settings,
    bundles: { directory: store },
    echo: ['id', 'label'],
    deadline: { class: 'soft', ms: 60_000 },
    http: { port: 0, token, truth: 'label' },
  })
  const logger = createLogger({ level: 'silent', pretty: false, colors: false, stream: process.stderr })
  const served = await startServedWorker({ config, logger, id, page: built })
  onTestFinished(() => served.stop())
  return served
}

/** A deployment with two workers under a steady stream, and a page that shows the first. */
const scene = async () => {
  const deployment = await createDeployment({ partitions: 4 })
  const store = await copyStore('digits@1', 'digits@2')
  const [first] = await Promise.all([serve(deployment, 'worker-a', store), serve(deployment, 'worker-b', store)])
  const stream = deployment.stream(25, 50)
  onTestFinished(() => stream.end())
  return { deployment, url: first.url!, stream }
}

/** The page follows what happens elsewhere: nothing of it is there at once. */
const eventually = <T>(what: () => T) => expect.poll(what)

const activeModel = (page: Page) => page.locator('#model .active')

test('a whole switch on the page: a bundle is pushed, tried at its gates, switched to, rolled back', async () => {
  const { url, deployment } = await scene()
  const { page, complaints } = await openPage(browser, `${url}/#token=${token}`)
  await eventually(() => activeModel(page).textContent()).toBe('digits@1')
  expect(new URL(page.url()).hash).toBe('')
  await eventually(() => page.locator('.card canvas.scan').count()).toBeGreaterThan(3)
  await eventually(() => page.locator('#deadline-note').textContent()).toMatch(/soft, .* missed/)

  await page.setInputFiles('#bundle-file', {
    name: 'digits@3.tar.gz',
    mimeType: 'application/gzip',
    buffer: await readFile('models/bundles/digits@3.tar.gz'),
  })
  await page.getByRole('button', { name: 'Try digits@3' }).click()
  const report = page.getByRole('dialog')
  // Whether it is fast enough depends on what else this machine does; whether it is right does not.
  await eventually(() => report.locator('li.ok', { hasText: 'golden' }).count()).toBe(1)
  await page.keyboard.press('Escape')

  await page.getByRole('button', { name: 'Switch to digits@3' }).click()
  await page.getByRole('button', { name: 'Switch to digits@3' }).last().click()
  await eventually(() => activeModel(page).textContent()).toBe('digits@3')
  await eventually(() => page.locator('#switching .switch-title').textContent()).toBe('Switched to digits@3')
  expect(await page.locator('#switching li').count()).toBe(2)
  await eventually(() => page.locator('.card', { hasText: 'digits@3' }).count()).toBeGreaterThan(0)

  await page.getByRole('button', { name: 'Roll back' }).click()
  await page.getByRole('button', { name: 'Roll back to digits@1' }).click()
  await eventually(() => activeModel(page).textContent()).toBe('digits@1')
  await deployment.events.until((all) => all.filter(({ type }) => type === 'rolled-back').length === 2)
  expect(complaints).toEqual([])
})

test('what is wrong is shown: dead letters with their bytes, a wrong token, settings that are refused', async () => {
  const { url, deployment } = await scene()
  const { page } = await openPage(browser, url)
  // A worker shows what it has rejected itself: both have to have their partitions before.
  for (const worker of ['worker-a', 'worker-b']) {
    const partitions = page.locator('#workers tr', { hasText: worker }).locator('td').nth(1)
    await eventually(() => partitions.textContent()).toMatch(/^\d/)
  }
  const nonsense = [Buffer.from('<script>alert(1)</script> is no record')]
  for (let partition = 0; partition < deployment.partitions; partition++) await deployment.send(partition, nonsense)
  const letter = page.locator('.letter-list li').first()
  await eventually(() => letter.locator('code').textContent()).toBe('not-framed')
  await letter.locator('summary').click()
  expect(await letter.locator('pre').textContent()).toContain('<script>alert(1)')

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
})

test('it can be used with the keyboard alone, and at 380 pixels nothing is cut off', async () => {
  const { url } = await scene()
  const { page, complaints } = await openPage(browser, `${url}/#token=${token}`, {
    viewport: { width: 380, height: 800 },
  })
  await eventually(() => activeModel(page).textContent()).toBe('digits@1')
  await eventually(() => page.getByRole('button', { name: 'Switch to digits@2' }).count()).toBe(1)
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(380)
  for (let i = 0; i < 40; i++) {
    await page.keyboard.press('Tab')
    if ((await page.evaluate('document.activeElement.ariaLabel')) === 'Switch to digits@2') break
  }
  await page.keyboard.press('Enter')
  await page.keyboard.press('Enter')
  await eventually(() => activeModel(page).textContent()).toBe('digits@2')
  expect(complaints).toEqual([])
})

const takePicture = async (folder: string) => {
  const { url, deployment } = await scene()
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
  await deployment.command({ action: 'SWITCH', model: 'digits@2' })
  await until(10_000)
  const shoot = (name: string, fullPage = true) => page.screenshot({ path: join(folder, `${name}.png`), fullPage })
  await shoot('light')
  await page.emulateMedia({ colorScheme: 'dark' })
  await until(1_200)
  await shoot('dark')
  await page.setViewportSize({ width: 380, height: 1100 })
  await until(1_500)
  await shoot('narrow-dark', false)
  await page.emulateMedia({ colorScheme: 'light' })
  await until(1_200)
  await shoot('narrow', false)
  await page.evaluate('scrollTo(0, 1500)')
  await shoot('narrow-below', false)
  await page.evaluate('scrollTo(0, 0)')
  await page.setViewportSize({ width: 1280, height: 900 })
  await page.getByRole('button', { name: 'Try digits@1' }).click()
  await page.locator('.verdict').waitFor()
  await page.screenshot({ path: join(folder, 'gates.png') })
}

if (pictures) test('its picture', { timeout: 180_000 }, () => takePicture(pictures))
