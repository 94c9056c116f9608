// map.js - makes workers/web/assets/map.json: the world in the Equal Earth projection
//
// usage: node tests/browser/tools/map.js
//
// Shapes are those of Natural Earth at 1:110,000,000 (public domain; npm package world-atlas), joined with the
// codes of ISO 3166-1 (npm package i18n-iso-countries).  What is too small to be seen at that scale, or is left
// out there, is a dot at the middle of its shape at 1:50,000,000.  Coordinates are whole numbers in a box of
// WIDTH by HEIGHT, each path in relative steps: small, and the same bytes at every run.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { geoEqualEarth, geoPath } from 'd3-geo';
import { feature } from 'topojson-client';
import countries from 'i18n-iso-countries';

const WIDTH = 1600;
const TARGET = new URL('../../../workers/web/assets/map.json', import.meta.url);
const DOT_AREA = 60; // square units: what is smaller gets a dot as well
const ANTARCTICA = '010';
const NO_CODE = { Kosovo: 'XK' }; // user-assigned, in common use

const require = createRequire(import.meta.url);
const load = (scale) => JSON.parse(readFileSync(require.resolve(`world-atlas/countries-${scale}.json`)));

const projection = geoEqualEarth().rotate([-11, 0]);
const shapes = (scale) => {
  const atlas = load(scale);
  return feature(atlas, atlas.objects.countries).features.filter((f) => f.id !== ANTARCTICA);
};
const coarse = shapes('110m');
const fine = shapes('50m');
projection.fitWidth(WIDTH, { type: 'FeatureCollection', features: coarse });
const pathOf = geoPath(projection);
const HEIGHT = Math.ceil(pathOf.bounds({ type: 'FeatureCollection', features: coarse })[1][1]);

const codeOf = (f) => NO_CODE[f.properties.name] ?? (f.id && countries.numericToAlpha2(f.id));

// A ring in relative steps of whole units, without steps that go nowhere; empty when nothing is left of it.
function ring(points) {
  const [[x0, y0], ...rest] = points.map(([x, y]) => [Math.round(x), Math.round(y)]);
  let [x, y] = [x0, y0];
  let steps = '';
  for (const [px, py] of rest) {
    const [dx, dy] = [px - x, py - y];
    if (dx === 0 && dy === 0)
      continue;
    steps += `${dx < 0 || !steps ? '' : ' '}${dx}${dy < 0 ? '' : ' '}${dy}`;
    [x, y] = [px, py];
  }
  return steps && `M${x0} ${y0}l${steps}z`;
}

// The projected outline as SVG path data.
function outline(f) {
  const rings = (pathOf(f) ?? '').split('Z').filter(Boolean);
  return rings.map((r) => ring(r.slice(1).split('L').map((p) => p.split(',').map(Number)))).join('');
}

const map = { width: WIDTH, height: HEIGHT, source: 'Natural Earth 1:110m and 1:50m, public domain', countries: {} };
for (const f of coarse) {
  const code = codeOf(f);
  const d = outline(f);
  if (d)
    map.countries[code ?? `-${f.properties.name}`] = { d };
}
for (const f of fine) {
  const code = codeOf(f);
  if (!code || !countries.isValid(code) && code !== 'XK')
    continue;
  const whole = coarse.find((c) => codeOf(c) === code);
  if (whole && pathOf.area(whole) >= DOT_AREA)
    continue;
  map.countries[code] = { ...map.countries[code], dot: pathOf.centroid(f).map(Math.round) };
}
map.countries = Object.fromEntries(Object.entries(map.countries).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(TARGET, JSON.stringify(map).replace(/"(-?[A-Z]\w[^"]*)":\{/g, '\n"$1":{') + '\n');
const all = Object.values(map.countries);
console.log(`${all.filter((c) => c.d).length} shapes, ${all.filter((c) => c.dot).length} dots, ${JSON.stringify(map).length} bytes`);
