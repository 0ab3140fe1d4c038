// Charts as SVG, each with its numbers in a table for those who do not see it.

const PAD = { left: 58, right: 12, top: 10, bottom: 36 };
const CHART_HEIGHT = 230;

function extent(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value === null || Number.isNaN(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? [low, high] : [0, 1];
}

function ticks(low, high, wanted, whole = false) {
  const rough = Math.max((high - low || 1) / wanted, whole ? 1.25 : 0);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, whole && power === 1 ? 2 : 2.5, 5, 10].map((part) => part * power).find((part) => part >= rough * 0.8);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k += 1) found.push(k * step);
  return { step, found };
}

// Axes of a chart; gives back where a value stands.
class Axes {
  constructor(width, [x0, x1], [y0, y1], { xLabel, height = CHART_HEIGHT, left = PAD.left, whole = false, steps = false }) {
    Object.assign(this, { width, height, left, x0, x1: x1 > x0 ? x1 : x0 + 1, y0, y1: y1 > y0 ? y1 : y0 + 1 });
    this.root = svg("svg", { width, height, role: "img" });
    const right = width - PAD.right;
    const bottom = height - PAD.bottom;
    const across = ticks(this.x0, this.x1, Math.max(2, Math.floor((right - left) / 75)), steps);
    const up = ticks(this.y0, this.y1, 5, whole);
    for (const value of up.found) {
      const y = this.y(value);
      this.root.append(
        svg("path", { class: "grid", d: `M${left},${y}H${right}` }),
        svg("text", { class: "soft", x: left - 6, y: y + 4, "text-anchor": "end" }, tickText(value, up.step)),
      );
    }
    for (const value of across.found) {
      const x = this.x(value);
      this.root.append(
        svg("path", { class: "grid", d: `M${x},${bottom}v4` }),
        svg("text", { class: "soft", x, y: bottom + 16, "text-anchor": "middle" }, tickText(value, across.step)),
      );
    }
    this.root.append(svg("text", { class: "soft", x: right, y: height - 4, "text-anchor": "end" }, xLabel));
  }

  x(value) {
    return this.left + ((value - this.x0) / (this.x1 - this.x0)) * (this.width - this.left - PAD.right);
  }

  y(value) {
    return this.height - PAD.bottom - ((value - this.y0) / (this.y1 - this.y0)) * (this.height - PAD.bottom - PAD.top);
  }

  back(x) {
    return this.x0 + ((x - this.left) / (this.width - this.left - PAD.right)) * (this.x1 - this.x0);
  }

  limit(name, value) {
    const y = this.y(value);
    this.root.append(
      svg("path", { d: `M${this.left},${y}H${this.width - PAD.right}`, stroke: "var(--ink)", "stroke-dasharray": "6 4" }),
      svg("text", { x: this.width - PAD.right, y: y - 4, class: "limit", "text-anchor": "end" }, `${name} ${value}`),
    );
  }
}

function drawChart(spec, player) {
  const figure = el("figure", { class: "chart" });
  const place = el("div", {});
  const unit = spec.unit ? el("span", { class: "unit" }, spec.unit) : null;
  const rows = tableOf(spec);
  const details = el("details", {}, el("summary", {}, "Table"));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(plainTable(rows()));
  });
  const note = spec.note ? el("p", { class: "note" }, spec.note) : null;
  const legend = el("div", { class: "legend" }, ...legendOf(spec));
  figure.append(el("figcaption", {}, spec.title, unit), legend, place, ...(note ? [note] : []), details);
  const draw = { lines: drawLines, histogram: drawHistogram, intervals: drawIntervals, profile: drawProfile }[spec.kind];
  const state = { update: null };
  onWidth(place, (width) => {
    const drawn = draw(spec, width, player);
    drawn.root.setAttribute("aria-label", describe(spec));
    place.replaceChildren(drawn.root);
    state.update = drawn.update;
    state.update?.();
  });
  player?.listen(() => state.update?.());
  return figure;
}

function legendOf(spec) {
  const named = spec.lines ?? spec.groups ?? [];
  if (named.length < 2 && spec.kind !== "histogram") return [];
  return named.map((line) => {
    const kind = line.mark === "dashed" ? " dashed" : line.mark === "dots" ? " dots" : "";
    const tone = colour(line.colour);
    const style = line.mark === "dots" ? `background:${tone}` : `border-color:${tone}`;
    const mean = line.mean === undefined ? "" : `: mean ${text(line.mean, 1)} ${spec.xLabel}, ${line.size} vehicles`;
    return el("span", { class: "key" }, el("span", { class: `swatch${kind}`, style }), line.name + mean);
  });
}

function describe(spec) {
  const said = [`${spec.title}${spec.unit ? ` in ${spec.unit}` : ""}.`];
  for (const line of spec.lines ?? []) {
    const values = line.y ?? line.values();
    const [low, high] = extent(values);
    said.push(`${line.name}: ${text(low, 3)} to ${text(high, 3)}.`);
  }
  for (const group of spec.groups ?? []) said.push(`${group.name}: mean ${text(group.mean, 1)} ${spec.xLabel}, ${group.size} vehicles.`);
  for (const row of spec.rows ?? []) said.push(`${row.name}: ${text(row.mean)} (${text(row.low)} to ${text(row.high)}).`);
  return said.join(" ");
}

// ---- lines and dots

function drawLines(spec, width, player) {
  const own = spec.lines.some((line) => line.x);
  const xs = extent(own ? spec.lines.flatMap((line) => line.x ?? spec.x) : spec.x);
  let [low, high] = extent([...spec.lines.flatMap((line) => line.y), ...(spec.fromZero ? [0] : [])]);
  for (const [, value] of spec.limits) {
    // A limit far away would press the lines flat.
    if (value <= high + 0.6 * (high - low) && value >= low - 0.6 * (high - low)) [low, high] = [Math.min(low, value), Math.max(high, value)];
  }
  const whole = spec.lines.every((line) => line.y.every((value) => value === null || Number.isInteger(value)));
  if (high - low < 1 && (whole || high === low)) high = low + 1;
  const room = (high - low) * 0.06;
  const axes = new Axes(width, spec.moves ? [player ? player.times[0] / spec.xS : 0, player ? Math.max(xs[1], player.times.at(-1) / spec.xS) : xs[1]] : xs,
    [spec.fromZero && low >= 0 ? 0 : low - room, high + room], { xLabel: spec.xLabel, whole });
  for (const [name, value] of spec.limits) if (value >= axes.y0 && value <= axes.y1) axes.limit(name, value);
  for (const line of spec.lines) axes.root.append(...marks(line, line.x ?? spec.x, axes));
  const cursor = svg("path", { class: "cursor" });
  axes.root.append(cursor);
  hover(spec, axes, player);
  const update = spec.moves && player
    ? () => cursor.setAttribute("d", `M${axes.x(player.time / spec.xS).toFixed(1)},${PAD.top}V${axes.height - PAD.bottom}`)
    : null;
  return { root: axes.root, update };
}

function marks(line, xs, axes) {
  if (line.mark === "dots") {
    return line.y.map((y, k) =>
      y === null ? null : svg("circle", { cx: axes.x(xs[k]).toFixed(1), cy: axes.y(y).toFixed(1), r: 2.4, fill: colour(line.colour), "fill-opacity": 0.6 }))
      .filter((dot) => dot);
  }
  let [way, pen] = ["", false];
  line.y.forEach((y, k) => {
    if (y === null) {
      pen = false;
      return;
    }
    const [x, to] = [axes.x(xs[k]).toFixed(1), axes.y(y).toFixed(1)];
    way += pen ? (line.mark === "step" ? `H${x}V${to}` : `L${x},${to}`) : `M${x},${to}`;
    pen = true;
  });
  const dash = line.mark === "dashed" ? "5 4" : dashes(line.colour);
  return [svg("path", { class: "line", d: way, stroke: colour(line.colour), "stroke-dasharray": dash || null })];
}

function hover(spec, axes, player) {
  const shared = spec.lines.filter((line) => !line.x || line.mark !== "dots");
  axes.root.addEventListener("pointermove", (event) => {
    const at = axes.back(event.clientX - axes.root.getBoundingClientRect().left);
    const lines = [];
    let here = null;
    for (const line of shared) {
      const xs = line.x ?? spec.x;
      const k = nearestIndex(xs, at);
      if (k < 0) continue;
      here ??= xs[k];
      const dot = el("span", { class: "swatch", style: `background:${colour(line.colour)}` });
      lines.push(el("div", {}, dot, `${line.name}: ${text(line.y[k], spec.unit === "pu" ? 4 : 2)} ${spec.unit}`));
    }
    if (lines.length) tip.show(event, [`${spec.xLabel.replace(/ \[.*/, "")} ${text(here, 1)}${/\[(.*)\]/.exec(spec.xLabel)?.[1].replace(/^/, " ") ?? ""}`, ...lines]);
  });
  axes.root.addEventListener("pointerleave", () => tip.hide());
  if (spec.moves && player) {
    axes.root.style.cursor = "pointer";
    axes.root.addEventListener("click", (event) => {
      player.showTime(spec.xS * axes.back(event.clientX - axes.root.getBoundingClientRect().left));
    });
  }
}

function nearestIndex(xs, at) {
  let best = -1;
  for (let k = 0; k < xs.length; k += 1) if (best < 0 || Math.abs(xs[k] - at) < Math.abs(xs[best] - at)) best = k;
  return best;
}

// ---- the others

function drawHistogram(spec, width) {
  const top = Math.max(1, ...spec.groups.flatMap((group) => group.counts));
  const axes = new Axes(width, [0, spec.edges.at(-1)], [0, top * 1.06], { xLabel: `${spec.title.toLowerCase()} [${spec.xLabel}]`, whole: true });
  for (const group of spec.groups) {
    const bars = group.counts.map((count, k) => {
      if (!count) return null;
      const [x, to, y] = [axes.x(spec.edges[k]), axes.x(spec.edges[k + 1]), axes.y(count)];
      const bar = svg("rect", {
        x: x + 0.5, y, width: Math.max(1, to - x - 1), height: axes.y(0) - y, fill: colour(group.colour), "fill-opacity": 0.5,
        stroke: colour(group.colour),
      });
      bar.addEventListener("pointermove", (event) =>
        tip.show(event, [`${group.name}: ${count} vehicles`, `${text(spec.edges[k], 1)} to ${text(spec.edges[k + 1], 1)} ${spec.xLabel}`]));
      bar.addEventListener("pointerleave", () => tip.hide());
      return bar;
    });
    axes.root.append(...bars.filter((bar) => bar));
  }
  return { root: axes.root };
}

function drawIntervals(spec, width) {
  const rows = spec.rows;
  const longest = Math.max(...rows.map((row) => row.name.length));
  const left = Math.min(0.42 * width, 16 + 7 * longest);
  const [low, high] = extent([0, ...rows.flatMap((row) => [row.mean, row.low, row.high])]);
  const room = 0.05 * (high - low || 1);
  const axes = new Axes(width, [low - room, high + room], [-0.5, rows.length - 0.5],
    { xLabel: `difference [${spec.unit}]`, height: 60 + 26 * rows.length, left });
  // The axes' numbers mean nothing across names.
  axes.root.querySelectorAll('text[text-anchor="end"]').forEach((node) => node.textContent !== `difference [${spec.unit}]` && node.remove());
  axes.root.append(svg("path", { d: `M${axes.x(0)},${PAD.top}V${axes.height - PAD.bottom}`, stroke: "var(--ink)", "stroke-dasharray": "4 3" }));
  rows.forEach((row, n) => {
    const y = axes.y(rows.length - 1 - n);
    const name = svg("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, row.name);
    axes.root.append(name);
    if (row.mean === null) return;
    if (row.low !== null) axes.root.append(svg("path", { d: `M${axes.x(row.low)},${y}H${axes.x(row.high)}`, stroke: colour(0), "stroke-width": 3, opacity: 0.55 }));
    const dot = svg("circle", { cx: axes.x(row.mean), cy: y, r: 5, fill: colour(0) });
    dot.addEventListener("pointermove", (event) =>
      tip.show(event, [row.name, `${text(row.mean)} ${spec.unit}`, `95 %: ${text(row.low)} to ${text(row.high)} ${spec.unit}`]));
    dot.addEventListener("pointerleave", () => tip.hide());
    axes.root.append(dot);
  });
  return { root: axes.root };
}

function drawProfile(spec, width) {
  const [low, high] = extent([spec.low, ...spec.lines.flatMap((line) => line.values())]);
  const axes = new Axes(width, extent(spec.columns), [low - 0.003, high + 0.003], { xLabel: spec.xLabel, steps: true });
  axes.limit("band", spec.low);
  const paths = spec.lines.map((line) => svg("path", {
    class: "line", stroke: colour(line.colour), "stroke-dasharray": line.colour < 0 ? "5 4" : null,
  }));
  axes.root.append(...paths);
  const update = () => spec.lines.forEach((line, k) => {
    const vm = line.values();
    let way = "";
    spec.parents.forEach((parent, b) => {
      if (parent < 0 || !(vm[b] > 0) || !(vm[parent] > 0)) return;
      way += `M${axes.x(spec.columns[parent]).toFixed(1)},${axes.y(vm[parent]).toFixed(1)}L${axes.x(spec.columns[b]).toFixed(1)},${axes.y(vm[b]).toFixed(1)}`;
    });
    paths[k].setAttribute("d", way);
  });
  return { root: axes.root, update };
}

// ---- the same as a table

function tableOf(spec) {
  if (spec.kind === "histogram") {
    return () => [
      ["from", `to [${spec.xLabel}]`, ...spec.groups.map((group) => group.name)],
      ...spec.edges.slice(1).map((to, k) => [spec.edges[k], to, ...spec.groups.map((group) => group.counts[k])]),
    ];
  }
  if (spec.kind === "intervals") {
    return () => [["", `mean [${spec.unit}]`, "95 % from", "to"], ...spec.rows.map((row) => [row.name, row.mean, row.low, row.high])];
  }
  if (spec.kind === "profile") {
    return () => [
      ["bus", ...spec.lines.map((line) => `${line.name} [pu]`)],
      ...spec.buses.map((bus, b) => [bus, ...spec.lines.map((line) => line.values()[b])]),
    ];
  }
  if (spec.lines.some((line) => line.x)) {
    return () => [
      ["", spec.xLabel, spec.unit],
      ...spec.lines.flatMap((line) => line.y.map((y, k) => [line.name, (line.x ?? spec.x)[k], y])),
    ];
  }
  return () => [
    [spec.xLabel, ...spec.lines.map((line) => `${line.name} [${spec.unit}]`)],
    ...spec.x.map((x, k) => [x, ...spec.lines.map((line) => line.y[k])]),
  ];
}

function plainTable([head, ...rows]) {
  const cell = (value) => (typeof value === "string" ? el("td", {}, value) : el("td", { class: "n" }, text(value, 4)));
  return el(
    "div", { class: "scroll", tabindex: 0 },
    el("table", {},
      el("thead", {}, el("tr", {}, ...head.map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map(cell))))),
  );
}
