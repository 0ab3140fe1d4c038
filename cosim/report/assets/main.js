// Puts the page together: theme, tabs, and each sheet when it is first shown.

const sheets = JSON.parse(document.getElementById("data").textContent);
const views = [];
const players = sheets.map(() => null);
let shown = -1;

function build(n) {
  const section = document.getElementById(`sheet${n}`);
  const { stage, charts } = sheets[n];
  const host = section.querySelector("[data-stage]");
  if (stage && host) {
    const player = new Player(stage.timesS);
    players[n] = player;
    const picked = new Picked(stage.stations);
    const map = new RoadMap(stage, player, picked);
    const feeder = new FeederView(stage, player, picked);
    const told = el("div", { class: "told" });
    const tell = () => {
      const parts = [];
      if (picked.edge >= 0) parts.push(map.edgeLines(picked.edge));
      for (const m of picked.own) parts.push(stationLines(stage.stations[m], player.index));
      const b = stage.feeder.buses.indexOf(picked.bus);
      if (b >= 0) parts.push(feeder.busLines(b).slice(0, 2));
      told.replaceChildren(
        ...(parts.length
          ? parts.map(([name, ...rest]) => el("div", {}, el("b", {}, name), `: ${rest.join("; ")}`))
          : ["Click an edge, a station or a bus; a station shows its bus, and a bus its stations."]),
      );
    };
    picked.listen(tell);
    player.listen(tell);
    tell();
    const left = el("div", { class: "side" }, map.node, told);
    const right = el("div", { class: "side" }, feeder.node, drawChart(feeder.profile(), player));
    host.append(player.node, el("div", { class: "views" }, left, right));
    views.push(map, feeder);
    // The first thing to be seen is the busiest instant, not an empty road.
    const power = stage.timesS.map((_, i) => stage.stations.reduce((sum, station) => sum + station.power_kw[i], 0));
    player.show(power.indexOf(Math.max(...power)));
  }
  for (const place of section.querySelectorAll("[data-charts]")) {
    place.append(...charts[place.dataset.charts].map((spec) => drawChart(spec, players[n])));
  }
  section.querySelectorAll("table.sorts").forEach(makeSortable);
  section.querySelectorAll(".copy").forEach((button) => {
    button.addEventListener("click", async () => {
      const line = button.parentElement.querySelector("code").textContent;
      try {
        await navigator.clipboard.writeText(line);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(button.parentElement.querySelector("code"));
      }
    });
  });
}

const built = new Set();
const tabs = [...document.querySelectorAll('[role="tab"]')];

function showSheet(n) {
  if (players[shown]?.playing) players[shown].toggle();
  shown = n;
  tabs.forEach((tab, k) => {
    tab.setAttribute("aria-selected", String(k === n));
    tab.tabIndex = k === n ? 0 : -1;
    document.getElementById(`sheet${k}`).hidden = k !== n;
  });
  if (!built.has(n)) {
    built.add(n);
    build(n);
  }
}

tabs.forEach((tab, n) => {
  tab.addEventListener("click", () => showSheet(n));
  tab.addEventListener("keydown", (event) => {
    const to = { ArrowRight: n + 1, ArrowLeft: n - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const next = (to + tabs.length) % tabs.length;
    showSheet(next);
    tabs[next].focus();
  });
});

// ---- light and dark

const themeButton = document.getElementById("theme");
const system = matchMedia("(prefers-color-scheme: dark)");

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  themeButton.textContent = theme === "dark" ? "Light" : "Dark";
  for (const view of views) view.themed();
}

themeButton.addEventListener("click", () => setTheme(isDark() ? "light" : "dark"));
system.addEventListener("change", () => setTheme(system.matches ? "dark" : "light"));
setTheme(system.matches ? "dark" : "light");
let before = null;
window.addEventListener("beforeprint", () => {
  before = document.documentElement.dataset.theme;
  setTheme("light");
});
window.addEventListener("afterprint", () => setTheme(before ?? "light"));

document.addEventListener("keydown", (event) => {
  const busy = event.target.closest?.("input, select, button, summary, a, [role=tab]");
  const slider = event.target.type === "range";
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
  if ((!busy || (slider && event.key === " ")) && players[shown]) players[shown].key(event);
});

showSheet(0);
