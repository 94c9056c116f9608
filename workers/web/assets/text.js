// text.js - words and numbers in the language of the page
//
// The words come from the server's table, by the page's <meta name="text:NAME">.

export const language = document.documentElement.lang || 'en';

// The text with each {name} replaced.
export function text(name, values = {}) {
  const raw = document.querySelector(`meta[name="text:${name}"]`)?.content ?? name;
  return raw.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? '');
}

const percent_format = new Intl.NumberFormat(language, { style: 'percent', maximumFractionDigits: 1, minimumFractionDigits: 1 });
const month_format = new Intl.DateTimeFormat(language, { month: 'short', timeZone: 'UTC' });
const clock_format = new Intl.DateTimeFormat(language, { timeStyle: 'medium' });

export const percent = (fraction) => (fraction === null ? '–' : percent_format.format(fraction));
export const month = (ms) => month_format.format(ms);
export const clock = (ms) => clock_format.format(ms);
