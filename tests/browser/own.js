// own.js - what the page "Build your own" and the Grafana dashboards say is run as it stands
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { browser_open } from './browser.js';
import { ROOT, until } from './site.js';

const RUN = { sh: ['sh', 'board.sh'], python: ['/usr/bin/python3', 'board.py'], javascript: [process.execPath, 'board.mjs'] };
const LINES = 10;
let number = 0;

const snippets_read = () => Object.fromEntries([...document.querySelectorAll('code[data-run]')].map((c) => [c.dataset.run, c.textContent]));

function start(site, dir, [program, file]) {
  const child = spawn(program, [join(dir, file)], { cwd: dir, env: { ...site.env, TURNOUT_REDIS: site.redis, TURNOUT_WEB: site.url } });
  const told = { child, out: '', err: '', ended: null };
  child.stdout.on('data', (b) => { told.out += b; });
  child.stderr.on('data', (b) => { told.err += b; });
  child.on('exit', (code) => { told.ended = code; });
  return told;
}

// What follows changes prints a line for what was there, and another one after a vote.
async function follows(site, told) {
  const lines = () => told.out.split('\n').length;
  const first = await until(`the first line; ${told.err}`, () => told.out.includes('\n') && lines());
  await until('another line', async () => {
    if (lines() > first)
      return true;
    await site.tell({ type: 'vote', id: `own-${++number}`, committee: 'ISO/TC 999', ballot: 'DIS 7', member: 'KE', position: 'approve', comments: number });
    return false;
  });
  assert.equal(told.err, '');
  assert.match(told.out, /\d+ (of|sur) \d+/);
}

async function snippet(site, name, text) {
  assert.ok(text.split('\n').length <= LINES, `${name}: more than ${LINES} lines`);
  const dir = await mkdtemp(join(tmpdir(), 'turnout-own-'));
  await writeFile(join(dir, RUN[name][1]), text);
  const told = start(site, dir, RUN[name]);
  try {
    if (name === 'sh') {
      await until('the shell is done', () => told.ended !== null);
      assert.equal(told.ended, 0, told.err);
      assert.match(told.out, /0\.\d{4}\n\d+\n\d+/);
      assert.match(told.out, /\|missed-(ballot|share|meetings)/);
    } else {
      await follows(site, told);
    }
  } finally {
    told.child.kill();
    await rm(dir, { recursive: true, force: true });
  }
}

async function grafana(site) {
  const check = spawn(process.execPath, [join(ROOT, 'scripts/grafana/check.mjs'), '--redis', site.redis, '--web', site.url]);
  let out = '';
  for (const stream of [check.stdout, check.stderr])
    stream.on('data', (b) => { out += b; });
  const code = await new Promise((done) => check.on('exit', done));
  assert.equal(code, 0, out);
}

export async function own_tests(t, site) {
  const { context, close } = await browser_open();
  const page = await context.newPage();
  for (const language of ['en', 'fr']) {
    await page.goto(`${site.url}/build?lang=${language}`, { waitUntil: 'load' });
    const snippets = await page.evaluate(snippets_read);
    assert.deepEqual(Object.keys(snippets), Object.keys(RUN));
    for (const [name, text] of Object.entries(snippets))
      await t.test(`build your own: ${name}, ${language}`, () => snippet(site, name, text));
  }
  await close();
  await t.test('Grafana: every query of the dashboards gives data', () => grafana(site));
}
