#!/usr/bin/env node
// check.mjs - asks a real Redis and a real turnout-web what the Grafana dashboards ask, and looks at the answers
//
// usage: scripts/grafana/check.mjs --redis SOCKET --web URL [--year YYYY] [--last-year YYYY]
//
// Every query of turnout-redis.json is sent by redis-cli, every query of turnout-api.json by HTTP.  An answer must have
// data, and each column that a panel names must hold what it says in some row: a query with a key or column that
// nobody writes any more is found here, not by an empty panel.  Needs node 18 and redis-cli, no packages.
// Exit status: 0 all queries give data, 1 some do not, 64 usage.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({ options: { redis: { type: 'string' }, web: { type: 'string' }, year: { type: 'string' }, 'last-year': { type: 'string' } } });
if (!options.redis || !options.web) {
  console.error('usage: scripts/grafana/check.mjs --redis SOCKET --web URL [--year YYYY] [--last-year YYYY]');
  process.exit(64);
}
const year = options.year ?? String(new Date().getUTCFullYear());
const last = options['last-year'] ?? String(year - 1);

// What Grafana puts in place of its variables.
const filled = (text) => text.replaceAll('${__to:date:YYYY}', year).replaceAll('${__from:date:YYYY}', last);
const dashboard = (name) => JSON.parse(filled(readFileSync(new URL(name, import.meta.url), 'utf8')));

// ---- Redis: what the data source sends for a query, and the least that must come back
const REDIS = {
  hmget: (t) => ({ words: ['hmget', t.keyName, ...t.field.split(' ')], good: (lines) => lines.every((l) => l !== '') }),
  zrange: (t) => ({ words: ['zrange', t.keyName, t.min, t.max, ...(t.zrangeQuery ? [t.zrangeQuery] : []), 'withscores'],
    good: (lines) => lines.length >= 2 && lines.every((l, i) => i % 2 === 0 || Number.isFinite(Number(l))) }),
  xrevrange: (t) => ({ words: ['xrevrange', t.keyName, t.end, t.start, 'count', String(t.count)], good: (lines) => /^\d+-\d+$/.test(lines[0]) && lines.length > 2 }),
};

async function redis_problem(target) {
  const { words, good } = REDIS[target.command](target);
  const lines = execFileSync('redis-cli', ['-s', options.redis, '--raw', ...words], { encoding: 'utf8' }).replace(/\n$/, '').split('\n');
  return good(lines) ? null : `${words.join(' ')}: ${JSON.stringify(lines.slice(0, 8))}`;
}

// ---- the API: a column's selector is a path of names, in which a dot that belongs to a name is escaped
const path_of = (selector) => selector.split(/(?<!\\)\./).map((name) => name.replaceAll('\\.', '.'));
const KIND = {
  number: (v) => typeof v === 'number',
  string: (v) => typeof v === 'string' && v !== '',
  timestamp: (v) => Number.isFinite(Date.parse(v)),
};

async function api_problem(target) {
  const answer = await fetch(new URL(target.url, options.web));
  if (!answer.ok)
    return `${target.url}: ${answer.status}`;
  const rows = (await answer.json())[target.root_selector];
  if (!Array.isArray(rows) || rows.length === 0)
    return `${target.url}: no rows in ${target.root_selector}`;
  const empty = target.columns.filter((c) => !rows.some((row) => KIND[c.type](path_of(c.selector).reduce((v, name) => v?.[name], row))));
  return empty.length ? `${target.url}: nothing of its kind in ${empty.map((c) => `${c.selector} (${c.type})`).join(', ')}` : null;
}

let asked = 0;
let bad = 0;
for (const [name, problem] of [['turnout-redis.json', redis_problem], ['turnout-api.json', api_problem]])
  for (const panel of dashboard(name).panels)
    for (const target of panel.targets) {
      const what = await problem(target).catch((e) => e.message);
      asked += 1;
      bad += what ? 1 : 0;
      if (what)
        console.error(`${name}: ${panel.title}: ${what}`);
    }
console.log(`${asked} queries, ${bad} without the data they should give`);
process.exitCode = bad ? 1 : 0;
