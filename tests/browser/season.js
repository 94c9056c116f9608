// season.js - two years of invented work over the real registry, up to today, as JSON Lines
//
// usage: node tests/browser/season.js [--today YYYY-MM-DD] [--seed N]
//
// tests/season.c tells one year up to the first of October; screenshots and tests of pages need last year beside
// this one, and ballots that close in the days after the day on which they are looked at.  Members, committees and
// their seats are those of tests/data/registry.jsonl.gz; who votes, comes and adopts is drawn.  All that is drawn
// says so: its ids begin with "synthetic-", its titles end with "(synthetic)".  The same day and seed give the
// same bytes.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';

const DAY_MS = 86400000;
const REGISTRY = new URL('../data/registry.jsonl.gz', import.meta.url);
const TECHNICAL = ['ISO/TC 34', 'ISO/TC 34/SC 4', 'ISO/TC 34/SC 17', 'ISO/TC 176/SC 2', 'ISO/TC 207', 'ISO/TC 207/SC 7',
  'ISO/TC 59', 'ISO/TC 71', 'ISO/TC 147', 'ISO/TC 215', 'ISO/TC 228', 'ISO/TC 265', 'ISO/TC 268', 'ISO/TC 282', 'ISO/TC 301',
  'ISO/TC 309', 'ISO/TC 323', 'ISO/PC 305', 'ISO/IEC JTC 1/SC 27', 'ISO/IEC JTC 1/SC 42'];
const GOVERNANCE = { 'ISO/CASCO': 'Committee on conformity assessment', 'ISO/COPOLCO': 'Committee on consumer policy',
  'ISO/DEVCO': 'Committee to support developing countries', 'ISO/TMB': 'Technical Management Board' };
const SILENT = ['AO', 'DO', 'LB', 'NE', 'SD', 'YE', 'ZW']; // this year
const KINDS = [['DIS', 24, 12], ['FDIS', 12, 8], ['SR', 20, 20], ['CIB', 24, 4], ['NP', 10, 12], ['DTS', 6, 12], ['WDRL', 4, 8]];
const STANDARDS = [['ISO 9001:2015', 'trade', 9], ['ISO 14001:2015', 'climate', 13], ['ISO 14064-1:2018', 'climate', 13],
  ['ISO 22000:2018', 'trade', 2], ['ISO 50001:2018', 'climate', 7], ['ISO 45001:2018', 'health', 8], ['ISO 20400:2017', 'trade', 12],
  ['ISO 37101:2016', 'climate', 11], ['ISO 24512:2024', 'health', 6], ['ISO 28000:2022', 'trade', 9], ['ISO 59004:2024', 'climate', 12],
  ['ISO 30500:2018', 'health', 6], ['ISO 17025:2017', 'trade', 9], ['ISO 42001:2023', 'trade', 9], ['ISO 56001:2024', 'trade', 9]];
// Of 100 seats so many are in good hands and so many in forgetful ones; the rest are silent.
const HANDS = { other: [[94, 5], [95, 4]], developing: [[70, 20], [82, 12]] };
const DILIGENCE = [99, 86, 12, 0];

const { values: options } = parseArgs({ options: { today: { type: 'string' }, seed: { type: 'string', default: '1' } } });
const today = Date.parse(options.today ?? new Date().toISOString().slice(0, 10));
const year = new Date(today).getUTCFullYear();
const start = Date.UTC(year - 1, 0, 1);

const this_year = Date.UTC(year, 0, 1);

// On the first of January, when nothing else of the year can be over, what is of that day.
const is_over = (day) => day < today || day === this_year;

const date_of = (ms) => new Date(ms).toISOString().slice(0, 10);

// Mulberry32: small, and the same everywhere.
let state = Number(options.seed) >>> 0;
function random() {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n) => Math.floor(random() * n);
const chance = (percent) => below(100) < percent;
const between = (first, last) => first + DAY_MS * below(Math.max(0, (last - first) / DAY_MS) + 1);

let count = 0;
function tell(type, ms, rest) {
  const time = Math.min(ms, today) + 3600000 * 6 + below(3600000 * 2);
  console.log(JSON.stringify({ type, id: `synthetic-${type}-${++count}`, time: new Date(Math.min(time, Date.now())).toISOString(), ...rest }));
}

// ---- the registry
const members = new Map();
const committees = new Map();
for (const line of gunzipSync(readFileSync(REGISTRY)).toString().split('\n').filter(Boolean)) {
  const e = JSON.parse(line);
  if (e.type === 'member')
    members.set(e.member, e);
  if (e.type === 'committee')
    committees.set(e.committee, { ...committees.get(e.committee), ...e });
}
const by_reference = new Map([...committees.values()].map((c) => [c.reference, { ...c, seats: new Map() }]));
const by_id = new Map([...by_reference.values()].map((c) => [c.committee, c]));
for (const line of gunzipSync(readFileSync(REGISTRY)).toString().split('\n').filter((l) => l.startsWith('{"type":"seat"'))) {
  const e = JSON.parse(line);
  by_id.get(e.committee)?.seats.set(e.member, e.role);
}

// ---- one committee
function hand_pick(member, past) {
  const profile = members.get(member);
  const hands = HANDS[profile?.developing ? 'developing' : 'other'][past ? 0 : 1];
  const ticket = below(100);

  if (!past && SILENT.includes(member))
    return 3;
  return ticket < hands[0] ? 0 : ticket < hands[0] + hands[1] ? 1 : 2;
}

function position_pick(kind) {
  if (chance(11))
    return 'abstain';
  if (kind === 'SR')
    return ['confirm', 'confirm', 'confirm', 'revise', 'withdraw'][below(5)];
  return chance(91) ? 'approve' : 'disapprove';
}

function vote_tell(c, b, seat, hand) {
  const done = is_over(b.closes) ? 100 : 100 * (today - b.opens) / (b.closes - b.opens); // most vote late
  const diligence = seat.role === 'P' ? DILIGENCE[hand] * (done === 100 ? 1 : (done / 100) ** 1.5) : hand === 3 ? 0 : 8;

  if (random() * 100 < diligence) {
    const day = Math.min(b.closes, between(b.opens + (b.closes - b.opens) / 2, b.closes + (chance(2) ? 6 * DAY_MS : 0)));
    tell('vote', Math.min(day, today), { committee: c.committee, ballot: b.name, member: seat.member, position: position_pick(b.kind),
      ...(chance(hand === 0 ? 34 : 15) ? { comments: 1 + below(12) } : {}), ...(b.kind === 'NP' && chance(30) ? { participate: true } : {}) });
  } else if (seat.role === 'P' && is_over(b.closes) && hand < 3 && (hand === 0 || chance(15))) {
    tell('vote', b.closes - DAY_MS, { committee: c.committee, ballot: b.name, member: seat.member, position: 'none', excused: true });
  }
}

function ballot_tell(c, seats, closes, number) {
  let ticket = below(100);
  const [kind, , weeks] = KINDS.find(([, percent]) => (ticket -= percent) < 0);
  const b = { kind, closes, opens: closes - weeks * 7 * DAY_MS, name: `${kind} ${90000 + c.number * 100 + number}` };

  if (b.opens >= today)
    return;
  tell('ballot', is_over(closes) ? closes + DAY_MS : b.opens, { committee: c.committee, ballot: b.name, kind, opens: date_of(b.opens),
    closes: date_of(closes), status: is_over(closes) ? 'closed' : 'open', level: c.level, mandatory: kind !== 'WDRL', title: `${c.title} (synthetic)` });
  for (const seat of seats)
    vote_tell(c, b, seat, seat.hands[new Date(closes).getUTCFullYear() - (year - 1)] ?? 0);
}

function meeting_tell(c, seats, starts, number) {
  const meeting = `${date_of(starts).slice(0, 7)}-${number}`;
  const held = is_over(starts);

  tell('meeting', starts - 60 * DAY_MS, { committee: c.committee, meeting, starts: date_of(starts), ends: date_of(starts + 2 * DAY_MS),
    status: held ? 'held' : 'planned', level: c.level, title: `Plenary of ${c.reference} (synthetic)` });
  for (const seat of seats) {
    const hand = seat.hands[new Date(starts).getUTCFullYear() - (year - 1)] ?? 0;
    const comes = chance(seat.role === 'P' ? DILIGENCE[hand] - 14 : hand === 3 ? 0 : 6);
    for (let i = 0; i < (comes ? 1 + below(3) : hand < 2 && seat.role === 'P' && chance(70) ? 1 : 0); i++)
      tell('attendance', starts, { committee: c.committee, meeting, member: seat.member, participant: `s-${seat.member}-${c.number}-${i}`,
        date: date_of(starts), status: comes ? (held ? 'attended' : 'registered') : ['excused', 'correspondence'][below(2)],
        mode: chance(40) ? 'virtual' : 'onsite', role: i === 0 ? 'head' : 'delegate' });
  }
}

function committee_tell(c) {
  const seats = [...c.seats].filter(([, role]) => role !== 'none').sort()
    .map(([member, role]) => ({ member, role, hands: [hand_pick(member, true), hand_pick(member, false)] }));

  for (const seat of seats)
    tell('seat', start, { committee: c.committee, member: seat.member, from: date_of(start), role: seat.role });
  for (let i = 0; i < 20; i++)
    ballot_tell(c, seats, between(start + 10 * DAY_MS, today + 30 * DAY_MS), i);
  ballot_tell(c, seats, today + DAY_MS * (2 + below(26)), 20);
  for (let i = 0; i < 3; i++)
    meeting_tell(c, seats, between(start + 30 * DAY_MS, today + 90 * DAY_MS), i);
  if (today < this_year + 21 * DAY_MS) { // so few days would mostly have had nothing
    ballot_tell(c, seats, between(this_year, today - DAY_MS), 21);
    meeting_tell(c, seats, between(this_year, today - DAY_MS), 3);
  }
}

// ---- governance, adoptions
function governance_make(reference, title) {
  const seats = new Map([...members.keys()].sort().filter((m) => members.get(m).category === 'full' && chance(45)).map((m) => [m, 'P']));

  tell('committee', start, { committee: reference, reference, title, level: 'governance' });
  return { committee: reference, reference, title, level: 'governance', seats };
}

function adoptions_tell(member, profile) {
  const many = below(profile.developing ? 9 : 5);

  for (let i = 0; i < many; i++) {
    const [standard, theme, sdg] = STANDARDS[below(STANDARDS.length)];
    const day = start + (today - start) * Math.sqrt(random());
    tell('adoption', day, { member, standard, reference: `${member} ${standard.slice(4)}`, degree: chance(82) ? 'IDT' : chance(75) ? 'MOD' : 'NEQ',
      date: date_of(day), themes: [theme], sdgs: chance(60) ? [sdg, 17] : [sdg] });
  }
}

const chosen = [...TECHNICAL.map((r) => by_reference.get(r)).filter(Boolean).map((c) => ({ ...c, level: 'technical' })),
  ...Object.entries(GOVERNANCE).map(([r, t]) => governance_make(r, t))];
chosen.forEach((c, i) => committee_tell({ ...c, number: i + 1 }));
for (const [member, profile] of [...members].sort())
  adoptions_tell(member, profile);
