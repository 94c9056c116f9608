// screenshots.js - a picture of each page, as README and documentation show them
//
// usage: node tests/browser/screenshots.js FOLDER      (scripts/screenshots makes them small)
import { browser_open } from './browser.js';
import { address, pages, site_open, year } from './site.js';

const WIDE = { width: 1280, height: 860 };
const [, , folder] = process.argv;
const site = await site_open();
const { context, close } = await browser_open({ viewport: WIDE, deviceScaleFactor: 1, reducedMotion: 'reduce' });
const page = await context.newPage();

// The pages themselves do not know that their votes are invented: the picture says so.
function say_synthetic() {
  const words = document.createElement('p');
  words.className = 'banner';
  words.textContent = document.documentElement.lang === 'fr' ? 'Votes, réunions et adoptions de cette image sont synthétiques ; le registre est réel.'
    : 'Votes, meetings and adoptions in this picture are synthetic; the registry is real.';
  document.getElementById('live').prepend(words);
}

async function shoot(name, path, { scheme = 'light', size = WIDE, from = null, real = false } = {}) {
  await page.emulateMedia({ colorScheme: scheme });
  await page.setViewportSize(size);
  await page.goto(site.url + path, { waitUntil: 'load' });
  await page.waitForFunction(() => [...document.querySelectorAll('figure.chart')].every((f) => !f.hidden && f.querySelector('canvas, svg')));
  if (!real)
    await page.evaluate(say_synthetic);
  if (from)
    await page.evaluate((selector) => document.querySelector(selector).scrollIntoView(), from);
  await page.screenshot({ path: `${folder}/${name}.png` });
}

const { outcome, members, member, committees, committee, ballots, ballot, risk, adoptions, why, history, health, build } = pages();
for (const [name, path] of Object.entries({ members, member, committees, committee, ballots, risk, adoptions, health }))
  await shoot(name, path);
for (const [name, path] of Object.entries({ ballot, why, history, build }))
  await shoot(name, path, { real: true });
await shoot('outcome', outcome);
await shoot('outcome-figures', outcome, { from: '#sheet-figures' });
await shoot('outcome-trend', outcome, { from: '#sheet-trend' });
await shoot('outcome-dark', outcome, { scheme: 'dark' });
await shoot('outcome-narrow', outcome, { size: { width: 360, height: 780 } });
await shoot('iec-ballot', address('ballots', 'IEC/TC 89|IEC-89/1491(F)/CDV'), { real: true });
await shoot('outcome-fr', `/?lang=fr&period=${year}`);
await close();
await site.stop();
