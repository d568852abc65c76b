// The document follows descriptions: views say what should stand there, and show() changes only
// what differs, in place, so that focus, selections and opened <details> outlive a refresh. Text
// gets in as text and in no other way: nothing here reads markup.

const made = new WeakMap(); // of an element: its key, and the attributes that were described

// h("p", { class: "soft", key: name }, "text", h("b", {}, "more")). `key` tells siblings apart that
// come and go; `after` is called with the element when all of it stands.
export function h(tag, attributes = {}, ...children) {
  const { key, after, ...rest } = attributes;
  return { tag, key, after, attributes: rest, children };
}

// Makes the children of `parent` these. null, undefined and false are nothing.
export function show(parent, ...wanted) {
  const list = wanted.flat(Infinity).filter((each) => each != null && each !== false);
  const keys = keysOf(list);
  const there = childrenOf(parent, new Set(keys));
  let place = parent.firstChild;
  list.forEach((want, i) => {
    const node = there.get(keys[i]) ?? make(want, keys[i]);
    if (node === place) place = place.nextSibling;
    else parent.insertBefore(node, place);
    fill(node, want);
  });
}

// A key for each: its own, or which one of its kind it is.
function keysOf(list) {
  const counts = new Map();
  return list.map((want) => {
    const kind = isText(want) ? "#text" : `${want.tag}:${want.key ?? ""}`;
    const count = counts.get(kind) ?? 0;
    counts.set(kind, count + 1);
    return `${kind}:${count}`;
  });
}

// What stands there by key; what is not wanted any more is removed.
function childrenOf(parent, wanted) {
  const there = new Map();
  for (const node of [...parent.childNodes]) {
    const key = made.get(node)?.key;
    if (wanted.has(key)) there.set(key, node);
    else node.remove();
  }
  return there;
}

const isText = (want) => typeof want !== "object";

function make(want, key) {
  const node = isText(want) ? document.createTextNode("") : document.createElement(want.tag);
  made.set(node, { key, attributes: {} });
  return node;
}

function fill(node, want) {
  if (isText(want)) {
    if (node.data !== String(want)) node.data = String(want);
    return;
  }
  describe(node, want.attributes);
  show(node, want.children);
  want.after?.(node);
}

// Only what a description named before is taken away: `open` of <details> is the reader's.
function describe(node, attributes) {
  const of = made.get(node);
  for (const name of Object.keys(of.attributes)) {
    if (attributes[name] == null) node.removeAttribute(name);
  }
  for (const [name, value] of Object.entries(attributes)) {
    if (value != null && of.attributes[name] !== value) node.setAttribute(name, value);
  }
  of.attributes = attributes;
}

// Sets the text of an element of index.html, if it is another.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
