// Colours: viridis for quantities (the intense end is the dark one on white and the bright one on black), and a palette
// that colour-blind people can tell apart for names.

const VIRIDIS = [
  [68, 1, 84], [71, 45, 123], [59, 82, 139], [44, 114, 142], [33, 145, 140], [40, 174, 128], [94, 201, 98],
  [173, 220, 48], [253, 231, 37],
];

function isDark() {
  return document.documentElement.dataset.theme === "dark";
}

// From 0 (little) to 1 (much).
function ramp(share) {
  const bounded = Math.min(1, Math.max(0, share));
  const place = (isDark() ? 0.14 + 0.86 * bounded : 0.86 * (1 - bounded)) * (VIRIDIS.length - 1);
  const low = Math.min(VIRIDIS.length - 2, Math.floor(place));
  const rest = place - low;
  const mixed = VIRIDIS[low].map((part, k) => Math.round(part + rest * (VIRIDIS[low + 1][k] - part)));
  return `rgb(${mixed.join(",")})`;
}

function rampStyle() {
  const stops = Array.from({ length: 9 }, (_, k) => ramp(k / 8));
  return `background: linear-gradient(to right, ${stops.join(",")})`;
}

function colour(number) {
  return number < 0 ? "var(--grey)" : `var(--c${number % 7})`;
}

// When the colours are used up they come again with dashes.
function dashes(number) {
  return ["", "7 3", "2 3", "8 3 2 3"][Math.max(0, Math.floor(number / 7)) % 4];
}
