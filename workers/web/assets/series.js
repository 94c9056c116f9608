// series.js - rates over months, by uPlot
import uPlot from './uplot.js';
import { column_read, number_of, rate_columns } from './chart.js';
import { language, month, percent, text } from './text.js';

const HEIGHT = 260;
const STEP = 0.1; // the axis begins and ends at tens of percent
const drawn = new WeakMap();

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Last year's series is that of this year, thin and dashed; the first series is the one that matters.
function series_style(name, place) {
  const base = name.split('.')[0];
  const stroke = colour(['developing', 'other', 'all'].includes(base) ? `--${base}` : `--series-${place % 4}`);
  const before = name.endsWith('.before');
  return { stroke, width: before ? 1.5 : place === 0 ? 3 : 2, dash: before ? [5, 5] : place === 0 ? [] : base === 'all' ? [2, 3] : [], points: { show: !before, size: 6, fill: stroke } };
}

// The same in the legend, in CSS's words.
const stroke_kind = (name) => (name.endsWith('.before') ? 'dashed' : name === 'all' ? 'dotted' : 'solid');

const legend = (name, heading, place) => ({ label: heading, value: (_, v) => percent(v), spanGaps: false, ...series_style(name, place) });

function data_read(table) {
  const months = [...table.tBodies[0].rows].map((row) => Date.parse(`${(row.dataset.row || row.cells[0].dataset.value).slice(0, 7)}-01`) / 1000);
  const order = months.map((_, i) => i).sort((a, b) => months[a] - months[b]);
  const columns = rate_columns(table).map((name) => column_read(table, name));
  return { columns, data: [order.map((i) => months[i]), ...columns.map((c) => order.map((i) => number_of(c.cells[i])))] };
}

function range(_, low, high) {
  if (low === null)
    return [0, 1];
  return [Math.max(0, Math.floor(low / STEP - 0.3) * STEP), Math.min(1, Math.ceil(high / STEP) * STEP)];
}

function options_of(width, columns) {
  const axis = { stroke: colour('--soft'), font: '12px ' + colour('--sans'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } };
  return {
    width,
    height: HEIGHT,
    cursor: { drag: { x: false, y: false } },
    legend: { live: true, markers: { width: 3, dash: (_, i) => (i === 0 ? 'none' : stroke_kind(columns[i - 1].name)) } },
    scales: { y: { range } },
    axes: [
      { ...axis, grid: { show: false }, values: (_, at) => at.map((s) => month(s * 1000)), space: 44, incrs: [2629800] , splits: (u) => u.data[0].filter((_, i) => i % Math.ceil(u.data[0].length * 44 / u.width) === 0) },
      { ...axis, size: 56, values: (_, at) => at.map((v) => percent(v).replace(/[.,]0/, '')) },
    ],
    series: [{ label: text('month'), value: (_, s) => (s === null ? '–' : new Intl.DateTimeFormat(language, { month: 'long', year: 'numeric', timeZone: 'UTC' }).format(s * 1000)) },
      ...columns.map((c, i) => legend(c.name, c.heading, i))],
  };
}

function style_link() {
  if (document.querySelector('link[data-uplot]'))
    return;
  const link = document.createElement('link');
  link.rel = 'stylesheet';
  link.href = new URL('./uplot.css', import.meta.url).href;
  link.dataset.uplot = '';
  document.head.prepend(link);
}

function build(figure, table) {
  const plot = figure.querySelector('.plot');
  const { columns, data } = data_read(table);
  plot.replaceChildren();
  return new uPlot(options_of(plot.clientWidth, columns), data, plot);
}

export function draw(figure, table) {
  const plot = figure.querySelector('.plot');
  const known = drawn.get(plot);

  style_link();
  figure.hidden = false;
  if (known && known.table === table && known.chart.series.length === rate_columns(table).length + 1) {
    known.chart.setData(data_read(table).data);
    return;
  }
  const now = { table, chart: build(figure, table) };
  drawn.set(plot, now);
  if (known)
    return;
  const again = () => drawn.set(plot, { table, chart: build(figure, table) });
  new ResizeObserver(() => drawn.get(plot).chart.setSize({ width: plot.clientWidth, height: HEIGHT })).observe(plot);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', again);
}
