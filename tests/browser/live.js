// live.js - the open page follows what happens, says what is wrong, and heals by itself
import assert from 'node:assert/strict';
import { browser_open } from './browser.js';
import { address, until } from './site.js';

const PATIENCE_MS = 60000;
const day = (offset) => new Date(Date.now() + offset * 86400000).toISOString().slice(0, 10);
const year_day = (offset) => [day(offset), `${day(0).slice(0, 4)}-01-01`].sort().pop(); // in this year
let number = 0;
const BALLOT = { committee: 'ISO/TC 999', ballot: 'DIS 1' };

// Marks the document, so that a reload would be noticed.  prepare(page): before anything is asked.
async function page_open(site, context, path, prepare = () => {}) {
  const page = await context.newPage();
  prepare(page);
  await page.goto(site.url + path, { waitUntil: 'load' });
  await page.evaluate(() => { globalThis.same_document = true; });
  return page;
}

const still_open = async (page) => assert.equal(await page.evaluate(() => globalThis.same_document), true, 'the page was loaded anew');

const vote = (member, position = 'approve') => ({ type: 'vote', id: `live-${++number}`, ...BALLOT, member, position, seat: 'P' });

// Notices the moment in the page at which its text holds the words.
const watch_for = (page, selector, words) => page.evaluate(([s, w]) => {
  globalThis.seen_at = new Promise((seen) => {
    const look = () => document.querySelector(s)?.textContent.replace(/\s+/g, ' ').includes(w) && (seen(Date.now()), observer.disconnect());
    const observer = new MutationObserver(look);
    observer.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
    look();
  });
}, [selector, words]);
const seen_at = (page) => page.evaluate(() => globalThis.seen_at);

async function vote_seen(t, site, context) {
  await site.tell({ type: 'ballot', id: 'live-ballot', ...BALLOT, kind: 'DIS', opens: day(-20), closes: day(20), title: 'A ballot to watch (synthetic)' },
    vote('DE'));
  await site.sync();
  const page = await page_open(site, context, address('ballots', `${BALLOT.committee}|${BALLOT.ballot}`));
  const times = [];
  let last = 0;
  for (const member of ['KE', 'BR', 'IN', 'ZA', 'FR']) {
    await watch_for(page, '#sheet-votes', member);
    assert.equal(await page.locator(`#sheet-votes tr[data-row="${member}"]`).count(), 0);
    await until('the page has rested: it fetches once a second', () => Date.now() - last > 1200);
    const sent = Date.now();
    await site.tell(vote(member));
    times.push((last = await seen_at(page)) - sent);
    assert.equal(await page.locator(`#sheet-votes tr[data-row="${member}"]`).count(), 1);
  }
  await still_open(page);
  assert.ok(Math.max(...times) < 10000, `${times} ms`);
  t.diagnostic(`from starting turnout publish until the vote stands on the open page: ${times.join(', ')} ms`);
  await page.close();
}

// The same at the headline: groups are derived once a second.
async function figure_moves(t, site, context) {
  const page = await page_open(site, context, '/');
  const value = () => page.evaluate(() => document.querySelector('[data-key^="group:developing:"]')?.closest('main').innerText);
  const before = await value();
  const sent = Date.now();
  await site.tell(...Array.from({ length: 40 }, (_, i) => ({ type: 'ballot', id: `live-b-${i}`, committee: '54808', ballot: `SR synthetic ${i}`, kind: 'SR', opens: day(-60), closes: year_day(-1), status: 'closed' })));
  await until('the figures move', async () => (await value()) !== before);
  t.diagnostic(`from starting turnout publish until a group's figures moved: ${Date.now() - sent} ms`);
  await still_open(page);
  await page.close();
}

// A page that is not looked at lets go of its connection, and is right again once it is looked at.
async function hidden(site, context) {
  const held = new Set(); // what is asked and not answered: /events as long as the page is connected
  const asked = [];
  const page = await page_open(site, context, address('ballots', `${BALLOT.committee}|${BALLOT.ballot}`), (p) => {
    p.on('request', (r) => { held.add(r); asked.push(r.url()); });
    for (const end of ['requestfinished', 'requestfailed'])
      p.on(end, (r) => held.delete(r));
  });
  const look = (away) => page.evaluate((h) => {
    Object.defineProperty(document, 'hidden', { value: h, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, away);
  await until('the page is connected', () => [...held].some((r) => r.url() === `${site.url}/events`));
  await look(true);
  await until('the page has let go, and what it asked before is answered', () => held.size === 0);
  asked.length = 0;
  await site.tell(vote('JP'));
  await site.sync();
  assert.equal(await page.locator('#sheet-votes tr[data-row="JP"]').count(), 0);
  assert.deepEqual(asked, []);
  await watch_for(page, '#sheet-votes', 'JP');
  await look(false);
  await seen_at(page);
  await still_open(page);
  await page.close();
}

async function spoken(site, context) {
  const page = await page_open(site, context, address('ballots', `${BALLOT.committee}|${BALLOT.ballot}`));
  await site.tell(vote('US'));
  await page.waitForFunction(() => document.querySelector('#announce').textContent !== '', null, { timeout: PATIENCE_MS });
  await page.close();
}

// What data-watch says and what an event says, and whether they meet (workers/web/DESIGN.md).
const MEETINGS = [
  ['members', { members: ['KE'] }, true], ['members', { ballots: ['C|B'] }, false], ['members', { members: '*' }, true],
  ['member:KE', { members: ['TZ', 'KE'] }, true], ['member:KE', { members: ['TZ'] }, false], ['member:KE', { members: '*' }, true],
  ['groups:2026', { groups: ['2026'] }, true], ['groups:2026', { groups: ['2025'] }, false], ['groups:2026', {}, false],
  ['groups:2026*', { groups: ['2026-03'] }, true], ['groups:2026*', { groups: ['2025-03'] }, false], ['groups:2026*', { groups: '*' }, true],
  ['ballot:C%7CB%201', { ballots: ['C|B 1'] }, true], ['committee:ISO/TC%20207', { committees: ['ISO/TC 207'] }, true],
  ['watch', { watch: ['C|M|missed-ballot'] }, true], ['all', { commits: 1 }, true],
];

async function meets(site, context) {
  const page = await page_open(site, context, '/health');
  const results = await page.evaluate(async (cases) => {
    const { word_meets } = await import('/assets/live.js');
    return cases.map(([word, change]) => [word, change, word_meets(word, change)]);
  }, MEETINGS);
  assert.deepEqual(results, MEETINGS);
  await page.close();
}

async function focus_stays(site, context) {
  const page = await page_open(site, context, address('ballots', `${BALLOT.committee}|${BALLOT.ballot}`));
  await page.locator('#sheet-votes tr[data-row="DE"] a').first().focus();
  await watch_for(page, '#sheet-votes', 'CL');
  await site.tell(vote('CL'));
  await seen_at(page);
  assert.equal(await page.evaluate(() => document.activeElement.closest('tr')?.dataset.row), 'DE');
  await page.close();
}

// kills `name` and waits for the words on an open page; then lets it come back and waits until they are gone.
async function down(site, context, name, state, path) {
  const page = await page_open(site, context, path);
  const figures = await page.locator('main').innerText();
  const pids = Object.keys(await site.pids()).filter((n) => n.startsWith(name));
  assert.ok(pids.length > 0, `no process ${name} among those of the stack`);
  for (const n of pids)
    await site.kill(n);
  await page.waitForFunction((s) => document.querySelector(`#state[data-state="${s}"]`) !== null, state, { timeout: PATIENCE_MS });
  assert.ok((await page.locator('#state').innerText()).length > 20, 'plain words');
  assert.ok(await page.locator('main h1').isVisible(), 'the figures stay');
  assert.equal((await page.locator('main').innerText()).length > figures.length / 2, true, 'the figures stay');
  await site.stack('start');
  await page.waitForFunction(() => document.querySelector('#state') === null, null, { timeout: PATIENCE_MS });
  await still_open(page);
  await page.close();
}

async function web_down(site, context) {
  const page = await page_open(site, context, '/ballots');
  const port = new URL(site.url).port;
  await site.web_kill();
  await page.waitForFunction(() => !document.querySelector('#connection').hidden, null, { timeout: PATIENCE_MS });
  await site.web_start(port);
  await page.waitForFunction(() => document.querySelector('#connection').hidden, null, { timeout: PATIENCE_MS });
  await watch_for(page, 'main', 'A late ballot');
  await site.tell({ type: 'ballot', id: 'live-late', committee: 'ISO/TC 999', ballot: 'CIB 2', kind: 'CIB', opens: day(-2), closes: day(2), title: 'A late ballot (synthetic)' });
  await seen_at(page);
  await still_open(page);
  await page.close();
}

export async function live_tests(t, site) {
  const { context, close } = await browser_open();
  await t.test('a vote is seen on the open page without a reload', (s) => vote_seen(s, site, context));
  await t.test('a group\'s figures move on the open page', (s) => figure_moves(s, site, context));
  await t.test('a page knows which changes concern it', () => meets(site, context));
  await t.test('focus stays where it is while rows come', () => focus_stays(site, context));
  await t.test('a page that nobody sees holds no connection, and catches up', () => hidden(site, context));
  await t.test('what has moved is told to screen readers', () => spoken(site, context));
  await t.test('without a worker the page says so, and heals', () => down(site, context, 'worker', 'worker-down', '/ballots'));
  await t.test('without the broker the page says so, and heals', () => down(site, context, 'broker', 'broker-down', '/ballots'));
  await t.test('without Redis the page says so, and heals', () => down(site, context, 'redis', 'redis-down', '/members'));
  await t.test('without turnout-web the page says so, and heals', () => web_down(site, context));
  await close();
}
