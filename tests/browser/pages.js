// pages.js - every page at every width, in both schemes and languages, for every reader
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { browser_open } from './browser.js';
import { pages } from './site.js';

const WIDTHS = [360, 768, 1440];
const SCHEMES = ['light', 'dark'];
const axe_source = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

// A page that collects what goes wrong in it.
async function page_open(context) {
  const page = await context.newPage();
  const wrong = [];
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && wrong.push(`console: ${m.text()} ${m.location().url}`));
  page.on('pageerror', (e) => wrong.push(`script: ${e.message}`));
  page.on('requestfailed', (r) => !r.failure()?.errorText.includes('ERR_ABORTED') && wrong.push(`request: ${r.url()} ${r.failure()?.errorText}`));
  page.on('request', (r) => r.url().startsWith('http') && new URL(r.url()).hostname !== '127.0.0.1' && wrong.push(`from outside: ${r.url()}`));
  return { page, wrong };
}

// The browser says of every answer 404 that it is an error: of the page that is about that, it is not.
const expected = (name, what) => name === 'missing' && what.includes('404');

const drawn = (page) => page.waitForFunction(() => [...document.querySelectorAll('figure.chart')].every((f) => !f.hidden && f.querySelector('canvas, svg')));

const wider_than_window = () => {
  const room = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= room)
    return [];
  return [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > room + 1 && !e.closest('.scroll, .nav, .visually-hidden, pre'))
    .map((e) => `${e.tagName}.${e.getAttribute('class')}`).slice(0, 5);
};

async function layout(site, context, name, path) {
  const { page, wrong } = await page_open(context);
  for (const scheme of SCHEMES)
    for (const width of WIDTHS) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize({ width, height: 900 });
      await page.goto(site.url + path, { waitUntil: 'load' });
      await drawn(page);
      assert.deepEqual(await page.evaluate(wider_than_window), [], `${path} at ${width}, ${scheme}`);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth), `${path} at ${width}`);
    }
  assert.deepEqual(wrong.filter((w) => !expected(name, w)), [], path);
  await page.close();
}

async function accessible(site, context, path) {
  const { page } = await page_open(context);
  for (const scheme of SCHEMES) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await page.setViewportSize({ width: scheme === 'light' ? 1440 : 360, height: 900 });
    await page.goto(site.url + path, { waitUntil: 'load' });
    await drawn(page);
    await page.evaluate(axe_source); // by the debugger: the page's own policy lets no such script in
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
    const told = violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' | ')}`);
    assert.deepEqual(told, [], `${path}, ${scheme}`);
  }
  await page.close();
}

// What is in the tables, as a script-less reader gets it.
const tables_read = () => [...document.querySelectorAll('.scroll table')].map((t) => ({ rows: t.tBodies[0].rows.length,
  words: [...t.querySelectorAll('th, td')].map((c) => c.textContent.trim().replace(/\s+/g, ' ')) }));

async function plain(site, context, bare, name, path) {
  const [live, dead] = [await context.newPage(), await bare.newPage()];
  await live.goto(site.url + path, { waitUntil: 'load' });
  await drawn(live);
  await dead.goto(site.url + path, { waitUntil: 'load' });
  const [with_script, without] = [await live.evaluate(tables_read), await dead.evaluate(tables_read)];
  assert.equal(without.length, with_script.length, path);
  if (name !== 'health') // where times go on
    assert.deepEqual(without, with_script, path);
  if (!['build', 'missing'].includes(name))
    assert.ok(without.some((t) => t.rows > 0), `${path}: a table with rows`);
  assert.equal(await dead.locator('figure.chart:visible').count(), 0, `${path}: an empty frame for a picture`);
  await Promise.all([live.close(), dead.close()]);
}

async function french(site, context, path) {
  const page = await context.newPage();
  await page.goto(site.url + path, { waitUntil: 'load' });
  const english = await page.evaluate(() => ({ h1: document.querySelector('h1').textContent, nav: document.querySelector('.nav').innerText }));
  await page.locator('.langs a').click();
  await page.waitForLoadState('load');
  assert.equal(await page.locator('html').getAttribute('lang'), 'fr', path);
  assert.notEqual(await page.locator('.nav').innerText(), english.nav, path);
  const left = await page.evaluate(() => [...document.querySelectorAll('.nav a, main a[href^="/"]')].filter((a) => !a.href.includes('lang=fr') && !/\/(api|metrics|events)/.test(a.href)).map((a) => a.href).slice(0, 3));
  assert.deepEqual(left, [], `${path}: links that fall back into English`);
  await page.close();
}

// From the top of the page by Tab: the first stop leads past the navigation, focus is always seen, and nothing catches it.
async function keyboard(site, context, path) {
  const page = await context.newPage();
  await page.goto(site.url + path, { waitUntil: 'load' });
  await drawn(page);
  const stops = [];
  for (let i = 0; i < 25; i++) {
    await page.keyboard.press('Tab');
    const stop = await page.evaluate(() => {
      const e = document.activeElement;
      const style = getComputedStyle(e);
      const box = e.getBoundingClientRect();
      return { what: `${e.tagName} ${e.className} ${e.textContent.trim().slice(0, 30)}`, body: e === document.body,
        seen: box.width > 0 && box.height > 0 && (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2) };
    });
    if (stop.body)
      break;
    stops.push(stop.what);
    assert.ok(stop.seen, `${path}: focus is not seen on ${stop.what}`);
  }
  assert.ok(stops.length >= 8, `${path}: only ${stops.length} stops`);
  assert.equal(new Set(stops.slice(0, 3)).size, 3, `${path}: caught at ${stops[0]}`);
  assert.match(stops[0], /skip/, path);
  await page.goto(site.url + path, { waitUntil: 'load' });
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  assert.ok(await page.evaluate(() => document.activeElement === document.body || document.activeElement.closest('main, .foot') !== null), `${path}: the skip link leads into the page`);
  await page.close();
}

async function sorted(site, context) {
  const page = await context.newPage();
  await page.goto(`${site.url}/members`, { waitUntil: 'load' });
  const values = () => page.evaluate(() => [...document.querySelectorAll('#sheet-members td[data-col="votes"]')].map((c) => Number(c.dataset.value)));
  const link = page.locator('#sheet-members thead th[data-col="votes"] a');
  await link.focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('#sheet-members thead th[data-col="votes"]').hasAttribute('aria-sort'));
  const [first, way] = [await values(), await page.locator('#sheet-members thead th[data-col="votes"]').getAttribute('aria-sort')];
  assert.deepEqual(first, [...first].sort((a, b) => (way === 'ascending' ? a - b : b - a)));
  assert.equal(await page.evaluate(() => document.activeElement.closest('th')?.dataset.col), 'votes', 'focus stays');
  assert.match(page.url(), /sort=votes/);
  await page.keyboard.press('Enter');
  await page.waitForFunction((before) => document.querySelector('#sheet-members thead th[data-col="votes"]').getAttribute('aria-sort') !== before, way);
  assert.deepEqual(await values(), [...await values()].sort((a, b) => (way === 'ascending' ? b - a : a - b)));
  await page.close();
}

// What has moved may have everything drawn again while the shapes are still on their way.
async function map_once(site, context) {
  const page = await context.newPage();
  await page.route('**/map.json*', (route) => setTimeout(() => route.continue(), 300));
  await page.goto(`${site.url}/members`, { waitUntil: 'domcontentloaded' });
  await page.evaluate(async () => {
    const { charts_draw } = await import(new URL('./chart.js', document.querySelector('script[src*="turnout.js"]').src));
    charts_draw();
    charts_draw();
  });
  await drawn(page);
  assert.equal(await page.locator('svg.world').count(), 1);
  assert.notEqual(await page.locator('svg.world').getAttribute('aria-label'), '');
  await page.close();
}

export async function pages_tests(t, site) {
  const { context, close } = await browser_open();
  const { context: bare, close: bare_close } = await browser_open({ javaScriptEnabled: false });
  // A page that a failed test leaves open would hold one of the browser's few connections to the host.
  const closed = () => Promise.all([context, bare].flatMap((c) => c.pages().slice(1)).map((page) => page.close()));
  const test = (name, what) => t.test(name, () => what().finally(closed));
  for (const [name, path] of Object.entries(pages())) {
    await test(`${name}: no overflow, no error at ${WIDTHS.join(', ')}, ${SCHEMES.join(' and ')}`, () => layout(site, context, name, path));
    await test(`${name}: axe finds nothing`, () => accessible(site, context, path));
    await test(`${name}: tables are complete without scripts`, () => plain(site, context, bare, name, path));
    await test(`${name}: in French`, () => french(site, context, path));
    await test(`${name}: by keyboard`, () => keyboard(site, context, path));
  }
  await test('members: the map is made once', () => map_once(site, context));
  await test('members: sorted in place by keyboard', () => sorted(site, context));
  await close();
  await bare_close();
}
