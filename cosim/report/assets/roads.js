// The road network to scale: links coloured by density, stations as markers.

class RoadMap {
  constructor(stage, player, picked) {
    Object.assign(this, { roads: stage.roads, stations: stage.stations, player, picked });
    const roads = this.roads;
    this.count = roads.edges.length;
    this.vehicles = roads.vehicles ? unpack(roads.vehicles) : null;
    this.laneKm = roads.lengthM.map((length, e) => (length * roads.lanes[e]) / 1000);
    this.top = this.highest();
    const ways = new Set(roads.from.map((start, e) => `${start}>${roads.to[e]}`));
    this.twin = roads.from.map((start, e) => ways.has(`${roads.to[e]}>${start}`));
    this.bounds();
    this.zoom = 1;
    this.shift = [0, 0];
    this.build();
    player.listen(() => this.show());
    picked.listen(() => this.mark());
  }

  density(e, i = this.player.index) {
    return this.vehicles[i * this.count + e] / this.laneKm[e];
  }

  // The top of the scale: one road that is full for a moment must not make all others look empty.
  highest() {
    if (!this.vehicles) return 1;
    const some = [];
    for (let k = 0; k < this.vehicles.length; k += 1) {
      if (this.vehicles[k] > 0) some.push(this.vehicles[k] / this.laneKm[k % this.count]);
    }
    some.sort((a, b) => a - b);
    const high = some.length ? some[Math.floor(0.98 * (some.length - 1))] : 1;
    return high > 10 ? Math.ceil(high / 5) * 5 : Math.max(1, Math.ceil(high));
  }

  bounds() {
    let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity];
    for (const shape of this.roads.shapes) {
      for (let k = 0; k < shape.length; k += 2) {
        west = Math.min(west, shape[k]);
        east = Math.max(east, shape[k]);
        south = Math.min(south, shape[k + 1]);
        north = Math.max(north, shape[k + 1]);
      }
    }
    Object.assign(this, { west, south, east, north });
  }

  build() {
    this.root = svg("svg", {
      class: "map", tabindex: 0, role: "group",
      "aria-label": "Road network. Plus and minus zoom, Shift with the arrow keys pans, 0 shows all of it.",
    });
    this.base = svg("path", { class: "base" });
    this.links = this.roads.edges.map(() => svg("path", { class: "edge", stroke: "none" }));
    this.strong = svg("path", { class: "picked" });
    this.shown = new Array(this.count).fill("");
    this.markers = this.stations.map((station, m) => this.marker(station, m));
    this.scale = svg("g", {});
    this.root.append(
      this.base, svg("g", {}, ...this.links), this.strong,
      svg("g", {}, ...this.markers.map((marker) => marker.node)), this.scale,
    );
    const tool = (name, label, act) => {
      const button = el("button", { type: "button", "aria-label": label, title: label }, name);
      button.addEventListener("click", act);
      return button;
    };
    const tools = el(
      "div", { class: "zoom" },
      tool("+", "Zoom in", () => this.zoomAt(1.5)),
      tool("−", "Zoom out", () => this.zoomAt(1 / 1.5)),
      tool("⤢", "Show all", () => this.showAll()),
    );
    this.frame = el("div", { class: "frame" }, this.root, tools);
    this.legend = el("div", { class: "legend" });
    this.node = el("figure", { class: "view" }, el("figcaption", {}, "Roads and stations", this.roads.toScale ? null : el("span", { class: "unit" }, "places of the nodes are not to scale")), this.frame, this.legend);
    this.drawLegend();
    this.listenToHands();
    onWidth(this.frame, (width) => this.resize(width));
  }

  drawLegend() {
    const roads = this.vehicles
      ? [
          el("span", { class: "key" }, "0", el("span", { class: "ramp", style: rampStyle() }), `${this.top} vehicles per km and lane`),
        ]
      : [el("span", {}, "No vehicles on edges were recorded.")];
    this.legend.replaceChildren(...roads, el("span", {}, "marker: queue; ring: load of its rating"));
  }

  marker(station, m) {
    const parts = {
      track: svg("circle", { class: "track" }),
      rest: svg("circle", { class: "rest" }),
      ring: svg("path", { class: "ring", stroke: colour(m) }),
      body: svg("circle", { class: "body", fill: colour(m) }),
      count: svg("text", { class: "count", "dominant-baseline": "central" }),
      name: svg("text", {}, station.id),
    };
    const node = svg("g", { class: "marker", tabindex: 0, role: "button" }, ...Object.values(parts));
    node.addEventListener("click", (event) => {
      event.stopPropagation();
      if (!this.dragged) this.picked.pickStation(m);
    });
    node.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.picked.pickStation(m);
    });
    node.addEventListener("pointermove", (event) => {
      event.stopPropagation();
      tip.show(event, stationLines(station, this.player.index));
    });
    node.addEventListener("pointerleave", () => tip.hide());
    return { node, ...parts };
  }

  // ---- places

  resize(width) {
    const [wide, high] = [Math.max(1, this.east - this.west), Math.max(1, this.north - this.south)];
    this.margin = 38;
    const fit = (width - 2 * this.margin) / wide;
    this.width = width;
    this.height = Math.round(Math.min(560, Math.max(260, high * fit + 2 * this.margin)));
    this.unit = Math.min(fit, (this.height - 2 * this.margin) / high);
    this.root.setAttribute("width", this.width);
    this.root.setAttribute("height", this.height);
    this.place();
  }

  at(x, y) {
    const unit = this.unit * this.zoom;
    const [centreX, centreY] = [(this.west + this.east) / 2, (this.south + this.north) / 2];
    return [
      this.width / 2 + this.shift[0] + (x - centreX) * unit,
      this.height / 2 + this.shift[1] - (y - centreY) * unit,
    ];
  }

  place() {
    if (!this.width) return;
    const thin = this.count < 100 ? 4.5 : this.count < 400 ? 3.2 : 2.2;
    this.stroke = thin * Math.min(2.5, Math.sqrt(this.zoom));
    this.points = this.roads.shapes.map((shape, e) => this.beside(shape, this.twin[e] ? this.stroke / 2 + 0.7 : 0));
    const ways = this.points.map((points) => `M${points.map((p) => `${p[0].toFixed(1)},${p[1].toFixed(1)}`).join("L")}`);
    this.links.forEach((link, e) => {
      link.setAttribute("d", ways[e]);
      link.setAttribute("stroke-width", this.stroke);
    });
    this.base.setAttribute("d", ways.join(""));
    this.base.setAttribute("stroke-width", this.stroke);
    this.root.style.touchAction = this.zoom > 1 ? "none" : "pan-y";
    this.drawScale();
    this.show();
    this.mark();
  }

  // The two directions of a road lie beside one another, each on its side.
  beside(shape, offset) {
    const line = [];
    for (let k = 0; k < shape.length; k += 2) line.push(this.at(shape[k], shape[k + 1]));
    if (!offset) return line;
    const side = this.roads.leftHand ? -offset : offset;
    return line.map((point, k) => {
      const before = line[Math.max(0, k - 1)];
      const after = line[Math.min(line.length - 1, k + 1)];
      const length = Math.hypot(after[0] - before[0], after[1] - before[1]) || 1;
      return [point[0] - (side * (after[1] - before[1])) / length, point[1] + (side * (after[0] - before[0])) / length];
    });
  }

  drawScale() {
    if (!this.roads.toScale) return;
    const metresPerPixel = 0.1 / (this.unit * this.zoom);
    const wanted = metresPerPixel * 90;
    const power = 10 ** Math.floor(Math.log10(wanted));
    const metres = [5, 2, 1].map((step) => step * power).find((step) => step <= wanted) ?? power;
    const [x, y, length] = [8, this.height - 8, metres / metresPerPixel];
    this.scale.replaceChildren(
      svg("path", { d: `M${x},${y - 5}V${y}H${x + length}V${y - 5}`, fill: "none", stroke: "var(--muted)" }),
      svg("text", { x: x + length / 2, y: y - 5, class: "soft", "text-anchor": "middle" },
        metres >= 1000 ? `${metres / 1000} km` : `${metres} m`),
    );
  }

  // ---- what is shown

  show() {
    if (!this.width) return;
    const i = this.player.index;
    if (this.vehicles) {
      for (let e = 0; e < this.count; e += 1) {
        const density = this.density(e, i);
        const stroke = density > 0 ? ramp(Math.round((32 * density) / this.top) / 32) : "none";
        if (stroke !== this.shown[e]) {
          this.links[e].setAttribute("stroke", stroke);
          this.shown[e] = stroke;
        }
      }
    }
    this.stations.forEach((station, m) => this.showMarker(station, this.markers[m], this.roads.places[m], i));
  }

  showMarker(station, marker, place, i) {
    const [x, y] = this.at(place[0], place[1]);
    const queued = station.queued[i];
    const radius = Math.min(34, 6 + 2.6 * Math.sqrt(queued));
    const ring = radius + 4.5;
    marker.body.setAttribute("r", radius);
    marker.track.setAttribute("r", ring);
    marker.rest.setAttribute("r", ring);
    marker.ring.setAttribute("d", arc(ring, station.power_kw[i] / station.ratedKw));
    marker.count.textContent = queued > 0 && radius > 9 ? queued : "";
    marker.name.setAttribute("y", -ring - 6);
    marker.node.setAttribute("transform", `translate(${x.toFixed(1)},${y.toFixed(1)})`);
    marker.node.setAttribute("aria-label", stationLines(station, i).join(", "));
  }

  mark() {
    if (!this.width) return;
    const e = this.picked.edge;
    const points = e < 0 ? [] : this.points[e];
    this.strong.setAttribute("d", points.length ? `M${points.map((p) => p.join(",")).join("L")}` : "");
    this.strong.setAttribute("stroke-width", this.stroke + 3);
    this.markers.forEach((marker, m) => marker.node.classList.toggle("on", this.picked.own.includes(m)));
  }

  themed() {
    this.shown.fill("");
    this.drawLegend();
    this.show();
  }

  edgeLines(e) {
    const roads = this.roads;
    const about = `${text(roads.lengthM[e], 0)} m, ${roads.lanes[e]} lane${roads.lanes[e] > 1 ? "s" : ""}, ${text(roads.speedKmh[e], 0)} km/h`;
    if (!this.vehicles) return [`Edge ${roads.edges[e]}`, about];
    const count = this.vehicles[this.player.index * this.count + e];
    return [`Edge ${roads.edges[e]}`, about, `${count} vehicles, ${text(this.density(e), 1)} per km and lane`];
  }

  // ---- mouse, fingers, keys

  nearest(event) {
    const box = this.root.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let [found, least] = [-1, 12];
    this.points?.forEach((points, e) => {
      for (let k = 1; k < points.length; k += 1) {
        const away = toSegment(x, y, points[k - 1], points[k]);
        if (away < least) [found, least] = [e, away];
      }
    });
    return found;
  }

  listenToHands() {
    const root = this.root;
    const down = new Map();
    this.dragged = false;
    root.addEventListener("pointerdown", (event) => {
      down.set(event.pointerId, event);
      this.dragged = false;
    });
    root.addEventListener("pointermove", (event) => {
      const before = down.get(event.pointerId);
      if (!before) {
        const e = this.nearest(event);
        if (e < 0) tip.hide();
        else tip.show(event, this.edgeLines(e));
        return;
      }
      if (down.size === 2) this.pinch(down, event);
      else if (this.dragged || Math.hypot(event.clientX - before.clientX, event.clientY - before.clientY) > 4) {
        if (event.pointerType === "touch" && this.zoom <= 1) return;
        if (!this.dragged) root.setPointerCapture(event.pointerId);
        this.dragged = true;
        this.shift[0] += event.clientX - before.clientX;
        this.shift[1] += event.clientY - before.clientY;
        this.place();
        down.set(event.pointerId, event);
      }
    });
    for (const name of ["pointerup", "pointercancel", "pointerleave"]) {
      root.addEventListener(name, (event) => down.delete(event.pointerId));
    }
    root.addEventListener("pointerleave", () => tip.hide());
    root.addEventListener("click", (event) => {
      if (this.dragged) return;
      const e = this.nearest(event);
      if (e < 0) this.picked.clear();
      else this.picked.pickEdge(e);
    });
    root.addEventListener("wheel", (event) => {
      // A wheel turned over the page scrolls it; over a map that was clicked, or with Ctrl, it zooms.
      if (!event.ctrlKey && !event.metaKey && document.activeElement !== root) return;
      event.preventDefault();
      const box = root.getBoundingClientRect();
      this.zoomAt(Math.exp(-event.deltaY / 400), event.clientX - box.left, event.clientY - box.top);
    }, { passive: false });
    root.addEventListener("keydown", (event) => this.key(event));
  }

  pinch(down, event) {
    const other = [...down.values()].find((one) => one.pointerId !== event.pointerId);
    const before = down.get(event.pointerId);
    const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
    const box = this.root.getBoundingClientRect();
    this.dragged = true;
    this.zoomAt(apart(event) / apart(before), (event.clientX + other.clientX) / 2 - box.left, (event.clientY + other.clientY) / 2 - box.top);
    down.set(event.pointerId, event);
  }

  key(event) {
    const pans = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
    if (event.shiftKey && pans[event.key]) {
      this.shift = [this.shift[0] + pans[event.key][0], this.shift[1] + pans[event.key][1]];
      this.place();
    } else if (event.key === "+" || event.key === "=") this.zoomAt(1.5);
    else if (event.key === "-") this.zoomAt(1 / 1.5);
    else if (event.key === "0") this.showAll();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  zoomAt(factor, x = this.width / 2, y = this.height / 2) {
    const zoom = Math.min(60, Math.max(0.7, this.zoom * factor));
    const real = zoom / this.zoom;
    this.shift[0] = x - this.width / 2 - real * (x - this.width / 2 - this.shift[0]);
    this.shift[1] = y - this.height / 2 - real * (y - this.height / 2 - this.shift[1]);
    this.zoom = zoom;
    this.place();
  }

  showAll() {
    this.zoom = 1;
    this.shift = [0, 0];
    this.place();
  }
}

function stationLines(station, i) {
  const load = (100 * station.power_kw[i]) / station.ratedKw;
  return [
    `Station ${station.id} at bus ${station.bus}`,
    `${station.queued[i]} queued, ${station.charging[i]} of ${station.chargers} chargers in use, ${station.en_route[i]} on the way`,
    `${text(station.power_kw[i], 1)} kW (${text(load, 0)} % of ${text(station.ratedKw, 0)} kW), cap ${text(station.cap_kw[i], 2)} kW per charger`,
  ];
}

// From twelve o'clock clockwise.
function arc(radius, share) {
  const bounded = Math.min(0.9999, Math.max(0, share || 0));
  if (bounded === 0) return "";
  const angle = 2 * Math.PI * bounded;
  const [x, y] = [radius * Math.sin(angle), -radius * Math.cos(angle)];
  return `M0,${-radius}A${radius},${radius} 0 ${bounded > 0.5 ? 1 : 0} 1 ${x.toFixed(2)},${y.toFixed(2)}`;
}

function toSegment(x, y, a, b) {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  const length = dx * dx + dy * dy;
  const share = length ? Math.min(1, Math.max(0, ((x - a[0]) * dx + (y - a[1]) * dy) / length)) : 0;
  return Math.hypot(x - a[0] - share * dx, y - a[1] - share * dy);
}
