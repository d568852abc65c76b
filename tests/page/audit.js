// What people would miss who do not see the page, or see it badly: a list of findings, one line
// each. Run in the page by browser.py.

function audit(page) {
  return [...names(page), ...structure(page), ...tables(page), ...contrasts(page)];
}

// What something is called, as far as this page calls things.
function nameOf(element) {
  const by = element.getAttribute("aria-labelledby");
  if (by) return by.split(" ").map((id) => document.getElementById(id)?.textContent).join(" ");
  return element.getAttribute("aria-label") ?? element.caption?.textContent ??
    (element.matches("canvas, img") ? element.getAttribute("alt") : element.textContent) ?? "";
}

function names(page) {
  const named = "button, a[href], summary, table, canvas, img, input, select, main section";
  return [...page.querySelectorAll(named)]
    .filter((element) => !nameOf(element)?.trim())
    .map((element) => `${where(element)} has no name`);
}

function structure(page) {
  const found = [];
  if (!page.documentElement.lang) found.push("the page has no language");
  if (!page.title) found.push("the page has no title");
  for (const landmark of ["main", "body > header", "body > footer"]) {
    const count = page.querySelectorAll(landmark).length;
    if (count !== 1) found.push(`${count} of the landmark ${landmark}`);
  }
  const headings = [...page.querySelectorAll("h1, h2, h3, h4, h5, h6")];
  if (headings[0]?.tagName !== "H1") found.push("the first heading is not h1");
  headings.forEach((heading, i) => {
    const level = Number(heading.tagName[1]), before = Number(headings[i - 1]?.tagName[1] ?? 0);
    if (level > before + 1) found.push(`${where(heading)} comes after h${before}`);
    if (level === 1 && i > 0) found.push(`${where(heading)}: a second h1`);
    if (!heading.textContent.trim()) found.push(`${where(heading)} is empty`);
  });
  const ids = [...page.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of new Set(ids.filter((each, i) => ids.indexOf(each) !== i))) {
    found.push(`the id ${id} stands twice`);
  }
  for (const element of page.querySelectorAll("[tabindex]")) {
    if (element.tabIndex > 0) found.push(`${where(element)} pushes in before others`);
  }
  for (const element of page.querySelectorAll("[aria-hidden=true] :is(a, button, summary)")) {
    found.push(`${where(element)} is reached by the keyboard and hidden`);
  }
  return found;
}

function tables(page) {
  const found = [];
  for (const table of page.querySelectorAll("table")) {
    if (!table.caption) found.push(`${where(table)} has no caption`);
    for (const cell of table.querySelectorAll("th")) {
      if (!cell.scope) found.push(`${where(cell)} heads neither row nor column`);
    }
    for (const row of table.tBodies[0]?.rows ?? []) {
      if (row.cells.length !== table.tHead.rows[0].cells.length) {
        found.push(`${where(row)} has not as many cells as its head`);
      }
    }
  }
  return found;
}

// Every text that is seen, against the ground that is behind it.
function contrasts(page) {
  const found = [];
  const walker = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const element = text.parentElement;
    if (!text.data.trim() || !isSeen(element)) continue;
    const ground = groundOf(element);
    const ratio = contrast(over(colourOf(element, "color"), ground), ground);
    if (ratio < 4.5) found.push(`${where(element)}: contrast ${ratio.toFixed(2)}`);
    for (let each = element; each; each = each.parentElement) {
      if (Number(getComputedStyle(each).opacity) < 1) found.push(`${where(each)} is translucent`);
    }
  }
  return found;
}

function isSeen(element) {
  return element.checkVisibility({ checkVisibilityCSS: true }) && !element.closest(".unseen") &&
    element.getClientRects().length > 0 && !element.closest("noscript");
}

function colourOf(element, property) {
  const value = getComputedStyle(element)[property];
  const parts = value.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0, 0];
  return { rgb: parts.slice(0, 3), alpha: parts[3] ?? 1 };
}

function over({ rgb, alpha }, ground) {
  return { rgb: rgb.map((value, i) => value * alpha + ground.rgb[i] * (1 - alpha)), alpha: 1 };
}

function groundOf(element) {
  if (!element) {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    return { rgb: dark ? [18, 18, 18] : [255, 255, 255], alpha: 1 };
  }
  const own = colourOf(element, "backgroundColor");
  return own.alpha === 1 ? own : over(own, groundOf(element.parentElement));
}

function contrast(a, b) {
  const [light, dark] = [luminance(a.rgb), luminance(b.rgb)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(rgb) {
  const [r, g, b] = rgb.map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function where(element) {
  const text = element.textContent.trim().replace(/\s+/g, " ").slice(0, 40);
  return `<${element.tagName.toLowerCase()} class="${element.className}"> '${text}'`;
}
