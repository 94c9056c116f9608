// map.js - the ranked table of members as a map of the world
//
// The table stays the way in for keyboards and screen readers; the map is one picture to them.
import { column_read, number_of, rate_columns } from './chart.js';
import { percent, text } from './text.js';

const SVG = 'http://www.w3.org/2000/svg';
const CLASSES = [0.5, 0.65, 0.8, 0.9, 0.95]; // a rate below the first is class 0, ... of six
const EDGE = 14; // room for the dots at the edge of the world
const worlds = new WeakMap();
let shapes = null;

function element(name, attributes = {}, ...inside) {
  const e = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes))
    e.setAttribute(key, value);
  e.append(...inside);
  return e;
}

const shapes_load = () => (shapes ??= fetch(new URL('./map.json', import.meta.url)).then((r) => r.json()));

function hatching() {
  const lines = element('path', { d: 'M0 8L8 0M-2 2L2-2M6 10L10 6', class: 'hatch' });
  return element('defs', {}, element('pattern', { id: 'no-data', width: 8, height: 8, patternUnits: 'userSpaceOnUse' },
    element('rect', { width: 8, height: 8, class: 'hatch-ground' }), lines));
}

function country(code, { d, dot }) {
  const g = element('g', { class: 'country', 'data-code': code });
  if (d)
    g.append(element('path', { d }));
  if (dot)
    g.append(element('circle', { cx: dot[0], cy: dot[1], r: 5 }));
  return g;
}

function world_build(map) {
  const box = `${-EDGE} ${-EDGE} ${map.width + 2 * EDGE} ${map.height + 2 * EDGE}`;
  const svg = element('svg', { viewBox: box, class: 'world', role: 'img' }, hatching());
  const all = Object.entries(map.countries);
  svg.append(...all.filter(([, c]) => !c.dot).map(([k, c]) => country(k, c)), ...all.filter(([, c]) => c.dot).map(([k, c]) => country(k, c)));
  return svg;
}

const html = (name, className, ...inside) => {
  const e = document.createElement(name);
  e.className = className;
  e.append(...inside);
  return e;
};

function legend_build() {
  const swatch = (name, label) => html('li', '', html('span', `swatch ${name}`), label);
  const limits = [0, ...CLASSES].map((low, i) => swatch(`rate-${i}`, i === 0 ? `< ${percent(CLASSES[0]).replace(/[.,]0/, '')}` : `≥ ${percent(low).replace(/[.,]0/, '')}`));
  return html('ul', 'legend', ...limits, swatch('swatch-none', text('no-data')));
}

// Which rate the map shows; begins with the first one of the table.
function chooser(table, changed) {
  const select = html('select', '', ...rate_columns(table).map((name) => {
    const option = html('option', '', column_read(table, name).heading);
    option.value = name;
    return option;
  }));
  select.addEventListener('change', changed);
  return { select, label: html('label', 'map-choice', html('span', '', text('map-shows')), select) };
}

// A tip that follows the pointer would hide the map: what is pointed at is told in a line under it.
function pointing(svg, line, table) {
  const at = (e) => e.target.closest('.country')?.dataset.code;
  svg.addEventListener('pointermove', (e) => { line.textContent = svg.querySelector(`[data-code="${CSS.escape(at(e) ?? '')}"]`)?.dataset.says ?? ' '; });
  svg.addEventListener('click', (e) => table.querySelector(`tr[data-row="${CSS.escape(at(e) ?? '')}"] th a, tr[data-row="${CSS.escape(at(e) ?? '')}"] a`)?.click());
}

function colour(world, table) {
  const column = column_read(table, world.select.value || rate_columns(table)[0]);
  const rows = new Map([...table.tBodies[0].rows].map((row, i) => [row.dataset.row, { row, value: number_of(column.cells[i]) }]));
  for (const g of world.svg.querySelectorAll('.country')) {
    const known = rows.get(g.dataset.code);
    const value = known?.value ?? null;
    g.setAttribute('class', `country ${value === null ? 'rate-none' : `rate-${CLASSES.filter((c) => value >= c).length}`}${known ? ' member' : ''}`);
    const name = known?.row.querySelector('[data-col="name"]')?.textContent.trim() ?? known?.row.cells[0].textContent.trim() ?? g.dataset.code;
    g.dataset.says = value === null ? `${name}: ${text('no-data')}` : `${name}: ${column.heading} ${percent(value)}`;
  }
}

// The name goes to the picture itself: beside it there now is something to choose.
function picture_name(plot, svg) {
  svg.setAttribute('aria-label', plot.getAttribute('aria-label') ?? '');
  plot.removeAttribute('role');
  plot.removeAttribute('aria-label');
}

async function world_make(plot, table) {
  const world = { svg: world_build(await shapes_load()) };
  const line = html('p', 'map-line', ' ');
  const { select, label } = chooser(table, () => colour(world, table));

  Object.assign(world, { select });
  pointing(world.svg, line, table);
  picture_name(plot, world.svg);
  plot.replaceChildren(label, world.svg, line, legend_build(), html('p', 'note', text('map-note')));
  return world;
}

// Made once, also when it is to be drawn again while the shapes are still on their way.
function world_of(plot, table) {
  if (!worlds.has(plot))
    worlds.set(plot, world_make(plot, table).catch((error) => {
      worlds.delete(plot);
      throw error;
    }));
  return worlds.get(plot);
}

export async function draw(figure, table) {
  const world = await world_of(figure.querySelector('.plot'), table);

  figure.hidden = false;
  colour(world, table);
}
