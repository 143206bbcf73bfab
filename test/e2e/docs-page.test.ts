import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openApi, openTestServer, type TestServer } from '../http/support/open-test-server.ts'
import { MODEL_ID } from '../http/support/sample-prediction.ts'

const CHROMIUM = '/usr/bin/chromium'

describe.skipIf(!existsSync(CHROMIUM))('the pages in a browser (needs chromium)', () => {
  let server: TestServer
  let browser: Browser
  beforeAll(async () => {
    server = await openTestServer()
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
  })
  afterAll(async () => {
    await browser.close()
    await server.close()
  })

  /** The page when it has settled, with what the browser complained of and the foreign addresses that it asked for. */
  const open = async (path: string) => {
    const page = await browser.newPage()
    const complaints: string[] = []
    const foreign: string[] = []
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('request', (request) => !/^(data|blob):/.test(request.url()) && !request.url().startsWith(server.url) && foreign.push(request.url()))
    await page.goto(server.url + path, { waitUntil: 'networkidle' })
    return { page, complaints, foreign }
  }

  it('/docs shows every operation under the content security policy, and asks no other host', async () => {
    const { page, complaints, foreign } = await open('/docs')
    await page.locator('.opblock').first().waitFor()
    expect(await page.locator('.opblock').count()).toBe(openApi.operations.length)
    expect({ complaints, foreign }).toEqual({ complaints: [], foreign: [] })
    await page.close()
  })

  it('/docs tries an operation out against this server', async () => {
    const { page } = await open('/docs/')
    await page.locator('#operations-operation-getHealth').getByRole('button').first().click()
    await page.getByRole('button', { name: 'Try it out' }).click()
    await page.getByRole('button', { name: 'Execute', exact: true }).click()
    await page.getByText('"status": "alive"').first().waitFor()
    expect(await page.locator('.live-responses-table tbody .response-col_status').first().textContent()).toContain('200')
    await page.close()
  })

  it.each(['/', '/problems/overloaded'])('%s is styled and complete without complaint', async (path) => {
    const { page, complaints, foreign } = await open(path)
    expect({ complaints, foreign }).toEqual({ complaints: [], foreign: [] })
    // A string, since the style is computed in the page and this project knows no DOM.
    expect(await page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth")).toBe('736px')
    expect(await page.locator('body').textContent()).toContain(path === '/' ? MODEL_ID : 'Retry-After')
    await page.close()
  })
})
