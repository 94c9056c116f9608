// tests.js - all tests of the pages, one after the other on one stack
//
// usage: node tests/browser/tests.js [pages|live|own ...]
import { test } from 'node:test';
import { live_tests } from './live.js';
import { own_tests } from './own.js';
import { pages_tests } from './pages.js';
import { site_open } from './site.js';

const ALL = { pages: pages_tests, own: own_tests, live: live_tests };
const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(ALL);

const site = await site_open();
for (const name of wanted)
  await test(name, (t) => ALL[name](t, site));
await site.stop();
