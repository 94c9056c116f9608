// chart.js - draws each figure.chart from the table of its sheet
//
// The table is the data: chart and table cannot differ, and who cannot see the one has the other.  A chart whose
// code or data cannot be had stays hidden.

const DRAW = { series: () => import('./series.js'), map: () => import('./map.js') };

// The table that the figure stands beside.
function table_of(figure) {
  const sheet = document.getElementById(`sheet-${figure.dataset.sheet}`) ?? figure.closest('section.sheet');
  return sheet?.querySelector('.scroll table');
}

// A column of the table: its name, heading and the plain values by row.
export function column_read(table, name) {
  const head = [...table.tHead.querySelectorAll('[data-col]')].find((th) => th.dataset.col === name);
  const cells = [...table.tBodies[0].rows].map((row) => [...row.cells].find((c) => c.dataset.col === name));
  return { name, heading: head?.textContent.trim() ?? name, cells };
}

// Names of the columns that hold rates.
export function rate_columns(table) {
  const names = [...table.querySelectorAll('tbody td.rate')].map((td) => td.dataset.col);
  return [...new Set(names)];
}

export const number_of = (cell) => (cell?.dataset.value ? Number(cell.dataset.value) : null);

export function charts_draw() {
  for (const figure of document.querySelectorAll('figure.chart')) {
    const table = table_of(figure);
    if (table && DRAW[figure.dataset.chart])
      DRAW[figure.dataset.chart]().then((chart) => chart.draw(figure, table)).catch((e) => { figure.hidden = true; console.error(e); });
  }
}
