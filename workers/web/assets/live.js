// live.js - follows /events and keeps the page's #live like the server's
//
// An event names what has changed, never how: the page fetches itself anew and takes over what differs, so that
// what stands there is always what the server would serve.  The first change is fetched at once, what follows
// within GAP_MS is taken together.  A hidden page waits until it is seen.
import { morph } from './morph.js';

const GAP_MS = 1000;
const CHECK_MS = 60000; // a connection may die without a word: so often the page asks by itself
const ANSWER_MS = 10000; // the longest wait for an answer
const AGAIN_MS = 5000; // the wait before a refused connection is tried anew
const SPREAD_MS = 2000; // all viewers are told to reload at once: they come one by one

const named = (list, name) => list === '*' || (Array.isArray(list) && list.includes(name));

// Whether a change concerns what `word` of data-watch stands for (workers/web/DESIGN.md).
export function word_meets(word, change) {
  const [kind, name] = word.split(':').map(decodeURIComponent);

  if (word === 'all')
    return true;
  if (name === undefined)
    return kind in change;
  const list = change[kind.endsWith('s') ? kind : `${kind}s`];
  if (name.endsWith('*'))
    return list === '*' || (list ?? []).some((n) => n.startsWith(name.slice(0, -1)));
  return named(list, name);
}

const live_element = () => document.getElementById('live');
const watched = () => (live_element().dataset.watch ?? '').split(' ').filter(Boolean);

async function live_fetch(address, etag) {
  const answer = await fetch(address, { headers: etag ? { 'If-None-Match': etag } : {}, signal: AbortSignal.timeout(ANSWER_MS), cache: 'no-store' });
  if (answer.status === 304)
    return {};
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const live = page.getElementById('live');
  if (!live)
    throw new Error(`${address}: ${answer.status}`);
  return { live, whole: answer.status < 500, etag: answer.headers.get('ETag') };
}

// Takes over the banner that says what is wrong, and nothing else.
function state_take(live) {
  const old = document.getElementById('state');
  const now = live.querySelector('#state');

  old?.remove();
  if (now)
    live_element().prepend(document.importNode(now, true));
}

// handlers: connection(up), moved(elements), drawn(): after each change of the page.
export function live_start(handlers) {
  let etag = null;
  let timer = null;
  let due = Infinity;
  let last = -Infinity;
  let busy = false;
  let wanted = false; // while busy or hidden

  // Resolves to whether the server answered.
  async function take(address) {
    const moved = [];
    busy = true;
    last = performance.now();
    try {
      const got = await live_fetch(address, address === live_element().dataset.src ? etag : null);
      if (got.live && got.whole) {
        morph(live_element(), got.live, (e) => moved.push(e));
        etag = got.etag;
        handlers.drawn();
        handlers.moved(moved);
      } else if (got.live) {
        state_take(got.live);
        etag = null;
        refresh(AGAIN_MS);
      }
      handlers.connection(true);
      return true;
    } catch {
      handlers.connection(false);
      refresh(AGAIN_MS);
      return false;
    } finally {
      busy = false;
      if (wanted)
        refresh();
    }
  }

  function refresh(wait = 0) {
    const at = Math.max(performance.now() + wait, last + GAP_MS);
    wanted = busy || document.hidden;
    if (wanted || at >= due)
      return;
    clearTimeout(timer);
    due = at;
    timer = setTimeout(() => {
      due = Infinity;
      if (document.hidden)
        wanted = true;
      else
        take(live_element().dataset.src);
    }, at - performance.now());
  }

  function follow() {
    const source = new EventSource('/events');
    source.addEventListener('open', () => refresh());
    source.addEventListener('change', (e) => {
      const change = JSON.parse(e.data);
      if (watched().some((word) => word_meets(word, change)))
        refresh();
    });
    source.addEventListener('state', () => refresh());
    source.addEventListener('reload', () => {
      etag = null;
      refresh(Math.random() * SPREAD_MS);
    });
    source.addEventListener('error', () => {
      refresh(); // finds out whether the server is there, and says so
      if (source.readyState === EventSource.CLOSED)
        setTimeout(follow, AGAIN_MS);
    });
  }

  document.addEventListener('visibilitychange', () => wanted && refresh());
  setInterval(() => performance.now() - last > CHECK_MS && refresh(), CHECK_MS / 4);
  follow();
  return { take };
}
