// turnout.js - what a page does beyond being read: it follows what happens, sorts in place, draws
//
// Without this script the pages are complete; nothing here is the only way to anything.
import { charts_draw } from './chart.js';
import { live_start } from './live.js';
import { clock, text } from './text.js';

const MOVED_MS = 2500;
const SPEAK_MS = 10000; // screen readers hear at most so often what has moved
const SPOKEN = 3; // changes by name; of more only their number

// ---- what has moved, for the eye
const FIGURES = 'td, .value, .bar-value';

function moved_show(figures) {
  for (const f of figures) {
    f.classList.add('moved');
    setTimeout(() => f.classList.remove('moved'), MOVED_MS);
  }
}

// ---- and for the ear
function figure_name(figure) {
  const cell = figure.closest('td');
  const words = cell ? [cell.parentElement.querySelector('th'), cell.closest('table').querySelector(`thead [data-col="${cell.dataset.col}"]`), cell]
    : [figure.closest('.tile')?.querySelector('h2'), figure];
  return words.filter(Boolean).map((w) => w.textContent.trim().replace(/\s+/g, ' ')).join(' ');
}

let unspoken = new Map();
let speaking = null;
function moved_speak(figures) {
  for (const f of figures)
    unspoken.set(`${f.dataset.key} ${f.dataset.field} ${f.dataset.col} ${f.parentElement?.dataset.row}`, f);
  if (unspoken.size > 0)
    speaking ??= setTimeout(() => {
      const names = [...unspoken.values()].filter((f) => f.isConnected).map(figure_name);
      document.getElementById('announce').textContent =
        text('changed', { n: names.length, what: names.slice(0, SPOKEN).join('; ') });
      unspoken = new Map();
      speaking = null;
    }, SPEAK_MS);
}

function moved(elements) {
  const figures = new Set(elements.filter((e) => e.isConnected).flatMap((e) => e.closest(FIGURES) ?? [...e.querySelectorAll(FIGURES)]));
  moved_show(figures);
  moved_speak(figures);
}

// ---- the connection
function connection(up) {
  const banner = document.getElementById('connection');

  if (up !== banner.hidden) {
    banner.hidden = up;
    banner.textContent = up ? '' : text('lost', { time: clock(Date.now()) });
    banner.classList.toggle('banner-warn', !up);
  }
}

// ---- links that give the same page in another order: taken over in place
function sort_click(event, live) {
  const link = event.target.closest('thead th a[href]');

  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0)
    return;
  event.preventDefault();
  const { href } = link;
  const part = new URL(href);
  part.searchParams.set('part', 'live');
  live.take(part.href).then((answered) => {
    if (answered)
      history.replaceState(null, '', href);
    else
      location.assign(href);
  });
}

charts_draw();
const live = live_start({ connection, moved, drawn: charts_draw });
document.addEventListener('click', (e) => sort_click(e, live));
