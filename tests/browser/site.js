// site.js - a private stack with turnout-web, real and synthetic events in it
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';

const run = promisify(execFile);
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BUILD = join(ROOT, process.env.TURNOUT_BUILD ?? 'build');
const PATIENCE_MS = 60000;

export const year = new Date().getUTCFullYear();

// Waits until probe() gives something that is true, and returns it.
export async function until(what, probe, patience_ms = PATIENCE_MS) {
  const end = Date.now() + patience_ms;
  for (;;) {
    const found = await probe();
    if (found)
      return found;
    if (Date.now() > end)
      throw new Error(`waited ${patience_ms / 1000} s in vain until ${what}`);
    await new Promise((again) => setTimeout(again, 50));
  }
}

async function fixture(name) {
  const bytes = await readFile(join(ROOT, 'tests/data', name));
  return (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
}

class Site {
  constructor(dir) {
    this.dir = dir;
    this.env = { ...process.env, TURNOUT_DIR: dir, TURNOUT_BUILD: process.env.TURNOUT_BUILD ?? 'build' };
    this.redis = join(dir, 'redis.sock');
  }

  stack(...words) {
    return run(join(ROOT, 'scripts/stack'), words, { env: this.env });
  }

  async start() {
    await this.stack('start');
    await this.web_start(0);
  }

  // turnout-web alone, at any free port or at that of before; resolves when it answers.
  async web_start(port) {
    const place = join(this.dir, 'web.address');
    await rm(place, { force: true });
    this.web = spawn(join(BUILD, 'bin/turnout-web'), ['--listen', `127.0.0.1:${port}`, '--address-file', place, '--log-level', 'error'],
      { env: this.env, stdio: ['ignore', 'ignore', 'inherit'] });
    this.url = await until('turnout-web listens', () => {
      if (this.web.exitCode !== null || this.web.signalCode !== null)
        throw new Error(`turnout-web ended: ${this.web.exitCode ?? this.web.signalCode}`);
      return readFile(place, 'utf8').then((text) => text.includes(':') && `http://${text.trim()}`, () => null);
    });
  }

  async web_kill() {
    this.web.kill('SIGKILL');
    await until('turnout-web is gone', () => this.web.exitCode !== null || this.web.signalCode !== null);
  }

  // Sends JSON Lines; all must be accepted.
  publish(lines) {
    return new Promise((done, fail) => {
      const turnout = spawn(join(BUILD, 'bin/turnout'), ['publish'], { env: this.env, stdio: ['pipe', 'ignore', 'inherit'] });
      turnout.on('error', fail).on('exit', (code) => (code === 0 ? done() : fail(new Error(`publish: ${code}`))));
      turnout.stdin.end(lines);
    });
  }

  tell(...events) {
    return this.publish(events.map((e) => `${JSON.stringify({ time: new Date().toISOString(), ...e })}\n`).join(''));
  }

  async publish_file(name) {
    await this.publish(await fixture(name));
  }

  async season() {
    const { stdout } = await run(process.execPath, [join(ROOT, 'tests/browser/season.js')], { maxBuffer: 1 << 28 });
    await this.publish(stdout);
  }

  sync() {
    return run(join(BUILD, 'bin/turnout'), ['sync'], { env: this.env });
  }

  // Process ids by name, as scripts/stack knows them.
  async pids() {
    const { stdout } = await this.stack('status', '--json').catch((e) => e);
    return JSON.parse(stdout);
  }

  async kill(name) {
    const pid = (await this.pids())[name];
    process.kill(pid, 'SIGKILL');
  }

  async stop() {
    await this.web_kill();
    await this.stack('stop');
    await rm(this.dir, { recursive: true, force: true });
  }
}

// A site with the registry, DIS 29500, the IEC ballots, real adoptions, and two synthetic years.
export async function site_open() {
  const site = new Site(await mkdtemp(join(tmpdir(), 'turnout-site-')));
  try {
    await site.start();
    for (const name of ['registry.jsonl.gz', 'dis29500-2007.jsonl', 'iec-ballots.jsonl', 'easc-adoptions.jsonl'])
      await site.publish_file(name);
    await site.season();
    await site.sync();
  } catch (e) {
    await site.stop().catch(() => {});
    throw e;
  }
  return site;
}

export const address = (kind, id) => `/${kind}/${encodeURIComponent(id).replaceAll('%2F', '/')}`;

// All kinds of pages, by name.
export function pages() {
  const dis = 'ISO/IEC JTC 1|DIS 29500';
  return {
    outcome: '/',
    'outcome-before': `/?period=${year - 1}`,
    members: '/members',
    member: '/members/KE',
    committees: '/committees',
    committee: '/committees/54808', // ISO/TC 207
    ballots: '/ballots',
    ballot: address('ballots', dis),
    risk: '/risk',
    adoptions: '/adoptions',
    why: `/why?key=${encodeURIComponent(`ballot:${dis}`)}&field=p.approve`,
    history: `/history?subject=${encodeURIComponent(`vote|${dis}|KE`)}`,
    health: '/health',
    build: '/build',
    missing: '/members/no-such-member',
  };
}
