// morph.js - makes a piece of the page like a newer one, touching only what differs
//
// Focus, selection, scroll positions and what the charts have drawn stay, which a replaced page would lose.  Rows
// and sections are known by data-row, data-sheet or id, and are moved to their new places.

const KEPT = new Set(['open', 'hidden']); // attributes that belong to the viewer

function key_of(node) {
  if (node.nodeType !== Node.ELEMENT_NODE)
    return '';
  return node.id || node.dataset.row || (node.matches('figure.chart') ? `chart ${node.dataset.chart} ${node.dataset.sheet}` : '');
}

const alike = (a, b) => a.nodeName === b.nodeName && key_of(a) === key_of(b);

// Gives each key its number among equal ones: a member may have several rows.
function numbering() {
  const seen = new Map();
  return (key) => {
    seen.set(key, (seen.get(key) ?? 0) + 1);
    return `${key} ${seen.get(key)}`;
  };
}

function attributes(node, newer) {
  for (const { name, value } of [...newer.attributes])
    if (!KEPT.has(name) && node.getAttribute(name) !== value)
      node.setAttribute(name, value);
  for (const { name } of [...node.attributes])
    if (!KEPT.has(name) && !newer.hasAttribute(name))
      node.removeAttribute(name);
}

function children(node, newer, tell) {
  const [number_old, number_new] = [numbering(), numbering()];
  const known = new Map([...node.children].filter(key_of).map((c) => [number_old(key_of(c)), c]));
  let at = node.firstChild;

  for (const want of newer.childNodes) {
    const here = key_of(want) ? known.get(number_new(key_of(want))) : at;
    if (!here || !alike(here, want)) {
      const fresh = node.insertBefore(document.importNode(want, true), at);
      if (fresh.nodeType === Node.ELEMENT_NODE)
        tell(fresh);
      continue;
    }
    if (here === at)
      at = at.nextSibling;
    else
      node.insertBefore(here, at);
    morph(here, want, tell);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

// Calls tell(element) for each element that is new, or whose own text is.
export function morph(node, newer, tell) {
  if (node.nodeType !== Node.ELEMENT_NODE) {
    if (node.nodeValue !== newer.nodeValue) {
      node.nodeValue = newer.nodeValue;
      tell(node.parentElement);
    }
  } else if (!node.matches('.plot') && !node.isEqualNode(newer)) { // what is in a plot is drawn by scripts
    attributes(node, newer);
    children(node, newer, tell);
  }
}
