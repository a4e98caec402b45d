// A person at the status page, from a healthy service to a fix that held, in a real Chromium.
//
//   node story.mjs URL DIRECTORY
//
// Screenshots go into DIRECTORY. Where something must happen outside, it prints a word (`fix`, `attack`) and waits for a
// line on standard input. The first thing that is not as it should be ends it with exit code 1.

import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [base, directory] = process.argv.slice(2);
const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'];
// What the daemon needs to find something out; pages refresh themselves meanwhile.
const STORY_MS = 120_000;
// What a page needs to do as it is told, on a busy machine.
const STEP_MS = 30_000;
const WIDE = { width: 1200, height: 900 };
const PHONE = { width: 360, height: 740 };

// Where distributions put it.
const executable = () => ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find(existsSync);

const troubles = [];
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

function expect(holds, what) {
  if (!holds) throw new Error(`not so: ${what}`);
}

async function outside(word) {
  console.log(word);
  await lines.next();
}

// A page in a window of its own; whatever it complains of is kept.
async function open(browser, path, options = {}) {
  const context = await browser.newContext({ viewport: WIDE, colorScheme: 'light', ...options });
  context.setDefaultTimeout(STEP_MS);
  const page = await context.newPage();
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && troubles.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => troubles.push(`script: ${error.message}`));
  page.on('response', (response) => response.status() >= 400 && troubles.push(`${response.status()}: ${response.url()}`));
  page.on('dialog', (dialog) => { troubles.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  await page.goto(base + path);
  return page;
}

const shoot = (page, name) => page.screenshot({ path: join(directory, `${name}.png`), fullPage: true });
const row = (page, name) => page.locator('table.targets tbody tr').filter({ has: page.getByRole('link', { name, exact: true }) });

// From the top of the page to the link of the target with Tab alone; every stop on the way must be seen.
async function reachByKeyboard(page, name) {
  await page.keyboard.press('Tab');
  expect((await page.locator(':focus').textContent()) === 'Skip to content', 'the first stop skips to the content');
  for (let stop = 0; stop < 40; stop += 1) {
    await page.keyboard.press('Tab');
    const seen = await page.evaluate(() => {
      const at = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(at);
      const { width, height } = at.getBoundingClientRect();
      return { text: at.textContent, shown: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 && width > 0 && height > 0 };
    });
    expect(seen.shown, `the focus is seen on “${seen.text}”`);
    if (seen.text === name) {
      await page.keyboard.press('Enter');
      await page.waitForURL(`**/targets/${name}`);
      return;
    }
  }
  throw new Error(`not so: Tab reaches ${name}`);
}

async function healthy(browser) {
  const page = await open(browser, '/');
  await row(page, 'api').waitFor();
  await row(page, 'never-there').locator('.badge.not_answering').waitFor({ timeout: STORY_MS });
  expect(!(await row(page, 'never-there').textContent()).includes('warming up'), 'a target that was never read does not warm up');
  await shoot(page, '1-healthy');
  await reachByKeyboard(page, 'api');
  await page.getByRole('heading', { level: 1, name: 'api' }).waitFor();
  await page.goBack();
  await page.keyboard.press('/');
  await page.keyboard.type('never');
  await page.waitForFunction(() => document.querySelectorAll('table.targets tbody tr').length === 1);
  expect(page.url().endsWith('/?q=never'), 'what is typed is in the address');
  await page.fill('#q', '');
  await row(page, 'api').waitFor();
  return page;
}

async function leaking(page) {
  // Nobody reloads: the page itself brings the news.
  await row(page, 'api').locator('.badge.leaking').waitFor({ timeout: STORY_MS });
  await page.waitForFunction(() => /leaking/.test(document.title));
  await shoot(page, '2-leaking-overview');
  const order = await page.locator('table.targets tbody .name').allTextContents();
  expect(order[0] === 'api', `the leak stands first: ${order}`);
  await row(page, 'api').getByRole('link').click();
  await page.locator('.found .place').filter({ hasText: /middleware\/logging\.js:13:/ }).waitFor({ timeout: STORY_MS });
  expect((await page.locator('.retaining').first().textContent()).includes('uncaughtException'), 'the path is shown');
  expect((await page.locator('.gates tbody tr').count()) >= 8, 'every gate is listed');
  expect((await page.locator('table.stored tbody tr').count()) === 2, 'both snapshots are listed');
  expect(await page.getByRole('img', { name: /^heapUsed of api/ }).first().isVisible(), 'the chart has a name');
  await page.locator('summary', { hasText: 'The same in numbers' }).click();
  await page.getByRole('link', { name: '30 days' }).click();
  await page.waitForURL('**range=30d**');
  await page.getByRole('link', { name: 'rss', exact: true }).click();
  await page.getByRole('heading', { name: 'rss over time' }).waitFor();
  await page.getByRole('link', { name: 'heapUsed', exact: true }).click();
  await page.getByRole('heading', { name: 'heapUsed over time' }).waitFor();
  await shoot(page, '3-leak-explained');
}

async function fixed(page) {
  await outside('fix');
  await page.locator('.heading .badge.recovering').waitFor({ timeout: STORY_MS });
  await page.getByRole('progressbar').waitFor();
  await shoot(page, '4-fix-watched');
  await page.locator('.episode', { hasText: 'fix held' }).waitFor({ timeout: STORY_MS });
  expect((await page.locator('.heading .badge').textContent()).includes('steady'), 'after a fix that held the target is steady');
  await shoot(page, '5-fix-verified');
}

// Contrast of two colours as WCAG 2.2 defines it.
function contrast(page) {
  return page.evaluate(() => {
    const luminance = (colour) => {
      const [r, g, b] = colour.match(/[\d.]+/g).map(Number).map((c) => c / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = luminance(getComputedStyle(document.body).backgroundColor);
    const ratio = (selector) => {
      const at = document.querySelector(selector);
      const ink = at ? luminance(getComputedStyle(at).color) : 1 - ground;
      return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
    };
    return { ground, least: Math.min(ratio('body'), ratio('.hint'), ratio('a.name'), ratio('summary'), ratio('.bad'), ratio('th')) };
  });
}

async function everywhere(browser) {
  for (const [name, path] of [['overview', '/'], ['target', '/targets/api'], ['events', '/events'], ['silences', '/silences']]) {
    for (const colorScheme of ['light', 'dark']) {
      const page = await open(browser, path, { viewport: PHONE, colorScheme });
      const excess = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect(excess <= 0, `${name} fits a phone; it is ${excess} pixels too wide`);
      const { ground, least } = await contrast(page);
      expect(colorScheme === 'dark' ? ground < 0.1 : ground > 0.8, `${name} is ${colorScheme}: ${ground}`);
      expect(least >= 4.5, `${name} can be read in the ${colorScheme}: ${least}`);
      await shoot(page, `6-${name}-phone-${colorScheme}`);
      await page.context().close();
    }
    const plain = await open(browser, path, { javaScriptEnabled: false });
    expect(await plain.locator('h1').count() === 1, `${name} is whole without its script`);
    await plain.context().close();
  }
}

async function attacked(browser) {
  await outside('attack');
  for (const [name, path] of [['target', '/targets/api'], ['overview', '/'], ['hostile-target', '/targets/hostile']]) {
    const page = await open(browser, path);
    const found = await page.evaluate(() => ({
      foreign: document.querySelectorAll('main img, main script, main iframe, main [onerror], main [onload]').length,
      ran: window.pwned === true,
      texts: (document.querySelector('main').textContent.match(/<img src=x onerror=/g) ?? []).length,
    }));
    expect(found.foreign === 0 && !found.ran, `nothing of ${name} runs: ${JSON.stringify(found)}`);
    expect(found.texts > 0, `the attack is shown as the text it is on ${name}`);
    await shoot(page, `7-attacked-${name}`);
    await page.context().close();
  }
}

const browser = await chromium.launch({ executablePath: executable(), args: ARGUMENTS });
try {
  const page = await healthy(browser);
  await leaking(page);
  await fixed(page);
  await everywhere(browser);
  await attacked(browser);
  expect(troubles.length === 0, `nothing complains: ${troubles.join('; ')}`);
} catch (problem) {
  console.error(problem.message);
  if (troubles.length > 0) console.error(`besides:\n${troubles.join('\n')}`);
  const pages = browser.contexts().flatMap((context) => context.pages());
  for (const [number, page] of pages.entries()) await shoot(page, `failed-${number}`).catch(() => {});
  process.exitCode = 1;
} finally {
  await browser.close();
  process.stdin.destroy();
}
