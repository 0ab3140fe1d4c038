// The instant that is shown: one slider for map, feeder and charts.

class Player {
  constructor(times) {
    this.times = times;
    this.index = 0;
    this.playing = false;
    this.perSecond = 10;
    this.listeners = [];
    this.node = this.build();
  }

  get time() {
    return this.times[this.index];
  }

  listen(listener) {
    this.listeners.push(listener);
  }

  build() {
    this.button = el("button", { type: "button", class: "play" });
    this.slider = el("input", {
      type: "range", min: 0, max: this.times.length - 1, step: 1, value: 0, "aria-label": "Simulated time",
    });
    this.output = el("output", {});
    const speeds = [["slow", 4], ["normal", 10], ["fast", 25], ["very fast", 60]];
    const choice = el(
      "select", { "aria-label": "Speed" },
      ...speeds.map(([name, value]) => el("option", { value, selected: value === 10 }, name)),
    );
    this.button.addEventListener("click", () => this.toggle());
    this.slider.addEventListener("input", () => this.show(Number(this.slider.value)));
    choice.addEventListener("change", () => (this.perSecond = Number(choice.value)));
    this.label();
    const help = "Space plays and pauses; the arrow keys go one instant back or forth, with Shift ten.";
    return el("div", { class: "player", title: help }, this.button, this.slider, this.output, choice);
  }

  label() {
    this.button.textContent = this.playing ? "❚❚ Pause" : "▶ Play";
    this.button.setAttribute("aria-pressed", String(this.playing));
    this.output.textContent = clock(this.time);
    this.slider.setAttribute("aria-valuetext", clock(this.time));
  }

  show(index) {
    this.index = Math.max(0, Math.min(this.times.length - 1, index));
    this.slider.value = this.index;
    this.label();
    for (const listener of this.listeners) listener(this.index);
  }

  // The instant nearest to a time in seconds.
  showTime(seconds) {
    let best = 0;
    this.times.forEach((time, i) => {
      if (Math.abs(time - seconds) < Math.abs(this.times[best] - seconds)) best = i;
    });
    this.show(best);
  }

  toggle() {
    this.playing = !this.playing;
    if (this.playing && this.index === this.times.length - 1) this.show(0);
    this.label();
    if (this.playing) this.run(performance.now(), this.index);
  }

  run(began, first) {
    const step = (now) => {
      if (!this.playing) return;
      const index = first + Math.floor(((now - began) * this.perSecond) / 1000);
      if (index !== this.index && index > first) {
        first = Math.min(index, this.times.length - 1);
        began = now;
        this.show(first);
      }
      if (this.index === this.times.length - 1) {
        this.playing = false;
        this.label();
        return;
      }
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  key(event) {
    const far = event.shiftKey ? 10 : 1;
    const act = {
      " ": () => this.toggle(),
      ArrowLeft: () => this.show(this.index - far),
      ArrowRight: () => this.show(this.index + far),
      Home: () => this.show(0),
      End: () => this.show(this.times.length - 1),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

// What is looked at: a road edge, a station, a bus; a station brings its bus along, and a bus its stations.
class Picked {
  constructor(stations) {
    this.stations = stations;
    this.edge = -1;
    this.bus = null;
    this.own = [];
    this.listeners = [];
  }

  listen(listener) {
    this.listeners.push(listener);
  }

  set(edge, bus, own) {
    this.edge = edge;
    this.bus = bus;
    this.own = own;
    for (const listener of this.listeners) listener();
  }

  pickEdge(edge) {
    this.set(edge, null, []);
  }

  pickStation(m) {
    this.set(-1, this.stations[m].bus, [m]);
  }

  pickBus(bus) {
    this.set(-1, bus, this.stations.flatMap((station, m) => (station.bus === bus ? [m] : [])));
  }

  clear() {
    this.set(-1, null, []);
  }
}
