// browser.js - Debian's chromium by playwright-core, with a fresh profile and nothing that calls home
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];

// A browser context; close() ends the browser and removes its profile.
export async function browser_open(options = {}) {
  const profile = await mkdtemp(join(tmpdir(), 'turnout-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.TURNOUT_CHROMIUM ?? '/usr/bin/chromium',
    args: ARGS,
    headless: true,
    ...options,
  });
  return {
    context,
    close: async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}
