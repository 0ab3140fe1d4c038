// Elements, numbers, packed arrays and the one tooltip.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function text(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const large = Math.abs(value) >= 1000 || Number.isInteger(value);
  return value.toLocaleString("en", {
    minimumFractionDigits: large ? 0 : digits,
    maximumFractionDigits: large ? 0 : digits,
  });
}

// As few digits as tell neighbouring ticks apart.
function tickText(value, step) {
  let digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  while (digits < 7 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-6) digits += 1;
  return (Math.abs(value) < step / 1e6 ? 0 : value).toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function clock(seconds) {
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  return `${two(seconds / 3600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`;
}

// What packing.py packed: a flat array, with NaN where there is nothing.
function unpack(packed) {
  const raw = atob(packed.text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) bytes[i] = raw.charCodeAt(i);
  const view = new DataView(bytes.buffer);
  const size = { u1: 1, u2: 2, u4: 4, q2: 2 }[packed.kind];
  const values = new Float64Array(bytes.length / size);
  for (let i = 0; i < values.length; i += 1) {
    const whole = size === 1 ? bytes[i] : size === 2 ? view.getUint16(2 * i, true) : view.getUint32(4 * i, true);
    if (packed.kind !== "q2") values[i] = whole;
    else values[i] = whole === 65535 ? NaN : packed.low + packed.step * whole;
  }
  return values;
}

const tip = {
  node: document.getElementById("tip"),
  show(event, lines) {
    this.node.replaceChildren(...lines.map((line) => (typeof line === "string" ? el("div", {}, line) : line)));
    this.node.hidden = false;
    const box = this.node.getBoundingClientRect();
    const right = event.clientX + 14 + box.width < window.innerWidth;
    const x = right ? event.clientX + 14 : Math.max(4, event.clientX - 14 - box.width);
    const y = Math.max(4, Math.min(event.clientY + 14, window.innerHeight - box.height - 4));
    this.node.style.left = `${x}px`;
    this.node.style.top = `${y}px`;
  },
  hide() {
    this.node.hidden = true;
  },
};

// Calls draw(width) now and whenever the width changes. Nothing is drawn in a sheet that is not shown.
function onWidth(node, draw) {
  let last = 0;
  new ResizeObserver(() => {
    const width = Math.floor(node.clientWidth);
    if (width > 0 && width !== last) {
      last = width;
      draw(width);
    }
  }).observe(node);
}
