// The feeder as a one-line diagram coloured by voltage, and the voltages along it.

class FeederView {
  constructor(stage, player, picked) {
    Object.assign(this, { feeder: stage.feeder, stations: stage.stations, player, picked });
    const feeder = this.feeder;
    this.count = feeder.buses.length;
    this.vm = unpack(feeder.vmPu);
    this.loading = unpack(feeder.loadingPercent);
    this.loss = unpack(feeder.lossKw);
    // Voltages without charging: the same at all times, or of each instant where the base load varies.
    this.base = feeder.baseVmPu ? unpack(feeder.baseVmPu) : null;
    const known = [...this.vm, ...(this.base ?? feeder.basePu)].filter((value) => value !== null && !Number.isNaN(value));
    this.low = Math.floor(known.reduce((a, b) => Math.min(a, b), 1) * 100) / 100;
    this.high = Math.ceil(known.reduce((a, b) => Math.max(a, b), 0) * 100) / 100;
    this.here = feeder.buses.map((bus) => this.stations.flatMap((station, m) => (station.bus === bus ? [m] : [])));
    this.build();
    player.listen(() => this.show());
    picked.listen(() => this.mark());
  }

  voltage(b, i = this.player.index) {
    return this.vm[i * this.count + b];
  }

  without(i = this.player.index) {
    return this.base ? Array.from(this.base.subarray(i * this.count, (i + 1) * this.count)) : this.feeder.basePu;
  }

  build() {
    this.root = svg("svg", { class: "feeder", role: "group", "aria-label": `One-line diagram of feeder ${this.feeder.name}` });
    this.frame = el("div", { class: "frame wide" }, this.root);
    this.legend = el("div", { class: "legend" });
    this.node = el(
      "figure", { class: "view" },
      el("figcaption", {}, `Feeder ${this.feeder.name}`), this.frame, this.legend,
    );
    this.drawLegend();
    onWidth(this.frame, (width) => this.resize(width));
  }

  drawLegend() {
    // Low voltage is what matters: it has the intense end.
    this.legend.replaceChildren(
      el("span", { class: "key" }, `${this.high.toFixed(2)}`, el("span", { class: "ramp", style: rampStyle() }), `${this.low.toFixed(2)} pu`),
      el("span", {}, `◆ outside ${this.feeder.bandPu[0]}–${this.feeder.bandPu[1]} pu`),
    );
  }

  resize(width) {
    const feeder = this.feeder;
    const last = Math.max(...feeder.columns);
    const rows = [Math.min(...feeder.rows), Math.max(...feeder.rows)];
    const margin = 24;
    const across = Math.max(16, Math.min(60, (width - 2 * margin) / Math.max(1, last)));
    const down = 58;
    this.radius = Math.min(8, Math.max(3.5, across * 0.36));
    const w = Math.max(width, 2 * margin + across * last);
    const h = (rows[1] - rows[0]) * down + 92;
    this.at = (b) => [margin + feeder.columns[b] * across, 46 + (feeder.rows[b] - rows[0]) * down];
    this.root.setAttribute("width", w);
    this.root.setAttribute("height", h);
    this.wires = feeder.branches.map((branch) => this.wire(branch));
    const every = Math.max(1, Math.ceil(18 / across));
    this.dots = feeder.buses.map((bus, b) => this.dot(b, this.feeder.columns[b] % every === 0 || this.here[b].length > 0));
    this.root.replaceChildren(svg("g", {}, ...this.wires), ...this.dots.map((dot) => dot.node));
    this.show();
    this.mark();
  }

  wire([start, end, line, kind]) {
    const tree = this.feeder.parents[end] === start || this.feeder.parents[start] === end;
    const [a, b] = this.feeder.parents[start] === end ? [this.at(end), this.at(start)] : [this.at(start), this.at(end)];
    const way = tree ? `M${a}V${b[1]}H${b[0]}` : `M${a}L${b}`;
    const node = svg("path", { class: tree ? "wire" : "wire loop", d: way });
    const wide = svg("path", { d: way, fill: "none", stroke: "transparent", "stroke-width": 12 });
    wide.addEventListener("pointermove", (event) => tip.show(event, this.lineLines(start, end, line, kind)));
    wide.addEventListener("pointerleave", () => tip.hide());
    return svg("g", {}, node, wide);
  }

  dot(b, numbered) {
    const [x, y] = this.at(b);
    const dot = svg("path", { class: "dot", transform: `translate(${x},${y})` });
    const own = this.here[b];
    const parts = own.map((m, k) =>
      svg("circle", { cx: x, cy: y, r: this.radius + 3.5 + 3 * k, fill: "none", stroke: colour(m), "stroke-width": 2.5 }));
    if (own.length) {
      // Names of neighbours take turns in height.
      const lift = this.feeder.columns[b] % 2 ? 12 : 0;
      parts.push(svg("text", { x, y: y - this.radius - 8 - lift, style: `fill:${colour(own[0])};font-weight:650` },
        own.map((m) => this.stations[m].id).join(", ")));
    }
    if (numbered) parts.push(svg("text", { x, y: y + this.radius + 15, class: "soft" }, String(this.feeder.buses[b])));
    const source = this.feeder.parents[b] < 0 && this.feeder.columns[b] === 0;
    if (source) parts.push(svg("path", { d: `M${x - 9},${y - 15}V${y + 15}`, stroke: "var(--ink)", "stroke-width": 4 }));
    const reach = svg("circle", { cx: x, cy: y, r: Math.max(10, this.radius + 4), fill: "transparent" });
    const node = svg("g", { class: "bus", tabindex: own.length ? 0 : -1, role: "button" }, ...parts, dot, reach);
    node.addEventListener("click", () => this.picked.pickBus(this.feeder.buses[b]));
    node.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.picked.pickBus(this.feeder.buses[b]);
    });
    node.addEventListener("pointermove", (event) => tip.show(event, this.busLines(b)));
    node.addEventListener("pointerleave", () => tip.hide());
    return { node, dot };
  }

  show() {
    if (!this.dots) return;
    const [low, high] = this.feeder.bandPu;
    this.dots.forEach(({ node, dot }, b) => {
      const vm = this.voltage(b);
      dot.setAttribute("fill", Number.isNaN(vm) ? "var(--line)" : ramp((this.high - vm) / (this.high - this.low || 1)));
      dot.setAttribute("d", this.shape(vm < low || vm > high));
      node.setAttribute("aria-label", this.busLines(b).join(", "));
    });
  }

  // A circle; outside the band a diamond, which needs no colour to be told apart.
  shape(outside) {
    const r = this.radius;
    const d = 1.3 * r;
    return outside ? `M0,${-d}L${d},0L0,${d}L${-d},0Z` : `M0,${-r}A${r},${r} 0 1 1 0,${r}A${r},${r} 0 1 1 0,${-r}Z`;
  }

  mark() {
    this.dots?.forEach(({ node }, b) => node.classList.toggle("on", this.feeder.buses[b] === this.picked.bus));
  }

  themed() {
    this.drawLegend();
    this.show();
  }

  busLines(b) {
    const vm = this.voltage(b);
    const name = this.feeder.names[b];
    const telling = name && name.toLowerCase().replace("bus", "").trim() !== String(this.feeder.buses[b]);
    const lines = [
      `Bus ${this.feeder.buses[b]}${telling ? ` (${name})` : ""}`,
      Number.isNaN(vm) ? "no voltage" : `${vm.toFixed(4)} pu, without charging ${text(this.without()[b], 4)} pu`,
    ];
    for (const m of this.here[b]) lines.push(`${this.stations[m].id}: ${text(this.stations[m].power_kw[this.player.index], 1)} kW`);
    return lines;
  }

  lineLines(start, end, line, kind) {
    const feeder = this.feeder;
    const ends = `bus ${feeder.buses[start]} to bus ${feeder.buses[end]}`;
    if (line === null) return [`${kind}, ${ends}`];
    const k = this.player.index * feeder.lines.length + line;
    const loading = this.loading[k];
    return [
      `Line ${feeder.lines[line]}, ${ends}`,
      Number.isNaN(loading) ? "no rating is known" : `${text(loading, 1)} % of its rating`,
      `${text(this.loss[k], 2)} kW lost`,
    ];
  }

  // Voltages from the substation to each end: without charging, at the worst instant, and now.
  profile() {
    const worst = this.worst();
    const chart = {
      kind: "profile", title: "Voltage along the feeder", unit: "pu",
      xLabel: "branches from the substation", note: `Worst instant: ${clock(this.player.times[worst])}.`,
      columns: this.feeder.columns, parents: this.feeder.parents, buses: this.feeder.buses, low: this.feeder.bandPu[0],
      lines: [
        { name: "without charging", colour: -1, mark: "dashed", values: () => this.without() },
        { name: "worst instant", colour: 1, values: () => this.instant(worst) },
        { name: "now", colour: 0, values: () => this.instant(this.player.index) },
      ],
    };
    return chart;
  }

  instant(i) {
    return Array.from(this.vm.subarray(i * this.count, (i + 1) * this.count));
  }

  worst() {
    let least = 0;
    for (let k = 1; k < this.vm.length; k += 1) if (!(this.vm[k] >= this.vm[least])) least = Number.isNaN(this.vm[k]) ? least : k;
    return Math.floor(least / this.count);
  }
}
