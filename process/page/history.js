// The last hour of a link as two lines: lag, and records per second. Chart.js draws them; the
// caption says the same in words. Without Chart.js (it is not built in) the captions stay.

import { h } from "./dom.js";
import { clock, duration, grouped } from "./words.js";

const charts = new Map(); // canvas: { chart, drawn: what it shows }
// `least`: what an axis reaches at least, so that next to nothing looks like it.
const lines = [
  { name: "Lag", member: "lag_ms", text: duration, least: 1000 },
  { name: "Records per second", member: "records_per_s", text: grouped, least: 10 },
];

export function historyView(link) {
  const history = link.history;
  if (!history?.every_ms) return null;
  return h("div", { class: "history" }, lines.map((line) => {
    const points = pointsOf(history, history[line.member] ?? []);
    const said = wordsOf(line, points);
    const named = `${line.name} of ${link.name} in the last hour: ${said}`;
    return h("figure", { key: line.member },
      h("figcaption", {}, `${line.name}, last hour: `, h("span", { class: "said" }, said)),
      window.Chart && h("div", { class: "chart" }, h("canvas", {
        role: "img", "aria-label": named,
        after: (canvas) => draw(canvas, points, history.until_ms, line),
      })));
  }));
}

function pointsOf(history, values) {
  const first = history.until_ms - (values.length - 1) * history.every_ms;
  return values.map((value, i) => ({ x: first + i * history.every_ms, y: value }));
}

// "now 0.3 s, most 4.1 s at 13:42:10, not known for 2 min".
function wordsOf(line, points) {
  const known = points.filter((point) => point.y != null);
  if (!known.length) return "nothing is known";
  const last = points.at(-1);
  const most = known.reduce((a, b) => (b.y > a.y ? b : a));
  const text = [`now ${last.y == null ? "not known" : line.text(last.y)}`];
  if (most.y > 0) text.push(`most ${line.text(most.y)} at ${clock(most.x, last.x)}`);
  const gap = (points.length - known.length) * (points.length > 1 ? points[1].x - points[0].x : 0);
  if (gap > 0) text.push(`not known for ${duration(gap)}`);
  return text.join(", ");
}

function draw(canvas, points, until, line) {
  const looks = looksOf(canvas);
  const drawn = `${until} ${points.length} ${points.at(-1)?.y} ${looks.join()}`;
  const kept = charts.get(canvas);
  if (kept?.drawn === drawn) return;
  const options = optionsOf(points, until, line, looks);
  const data = { datasets: [{
    data: points, borderColor: looks[0], borderWidth: 1.5, tension: 0,
    backgroundColor: looks[2], fill: "origin",
    pointRadius: lonely(points), pointBackgroundColor: looks[0], pointHitRadius: 6,
  }] };
  if (kept) {
    Object.assign(kept.chart, { data, options });
    kept.chart.update("none");
    kept.drawn = drawn;
  } else {
    charts.set(canvas, { chart: new window.Chart(canvas, { type: "line", data, options }), drawn });
  }
}

// A value between two that are not known would be no line: it is a point.
function lonely(points) {
  return points.map((point, i) =>
    (point.y != null && points[i - 1]?.y == null && points[i + 1]?.y == null ? 1.5 : 0));
}

// Line, text and ground, as page.css has them now.
function looksOf(canvas) {
  const style = getComputedStyle(canvas);
  return ["--line-of-chart", "--soft", "--ground-of-chart"].map((name) =>
    style.getPropertyValue(name).trim());
}

// The same for both charts, so that they stand in line.
function widen(axis) {
  axis.width = 58;
}

function optionsOf(points, until, { text, least }, [, soft]) {
  const hour = 3_600_000;
  const top = Math.max(least, ...points.map((point) => point.y ?? 0));
  const font = { size: 11, family: "system-ui, sans-serif" };
  const minutes = (value) => value >= until ? "now"
    : `−${Math.round((until - value) / 60_000)} min`;
  return {
    animation: false, responsive: true, maintainAspectRatio: false, normalized: true,
    parsing: false, spanGaps: false, interaction: { mode: "nearest", axis: "x", intersect: false },
    plugins: {
      legend: { display: false },
      tooltip: { displayColors: false, callbacks: {
        title: ([item]) => clock(item.parsed.x, until), label: (item) => text(item.parsed.y),
      } },
    },
    scales: {
      x: { type: "linear", min: until - hour, max: until, grid: { display: false },
           ticks: { stepSize: hour / 2, callback: minutes, color: soft, font, maxRotation: 0,
                    align: "inner" } },
      y: { min: 0, max: top, grid: { display: false }, afterFit: widen,
           ticks: { stepSize: top, callback: text, color: soft, font } },
    },
  };
}

// After a refresh: what is no longer in the document is given up.
export function sweepCharts() {
  for (const [canvas, { chart }] of charts) {
    if (canvas.isConnected) continue;
    chart.destroy();
    charts.delete(canvas);
  }
}
