// The map of the items: points on a canvas that can be moved, enlarged, searched and coloured.

const ROOT = new URL("..", import.meta.url).pathname.replace(/\/$/, "");
const COLOURS = ["#3b82c4", "#d9772b", "#3a9a5f", "#b5539c", "#c9a227", "#d24d57", "#2aa3a3", "#7a68c9"];
const OTHER = "#8a939d";
const [ID, NAME, CATEGORIES, MAIN, X, Y, N] = [0, 1, 2, 3, 4, 5, 6];
const CLOSEST = 8;
const LABELS = 26;

const canvas = document.querySelector("#plane");
const tip = document.querySelector("#tip");
const description = document.querySelector("#spot");
const legend = document.querySelector("#legend");
const dark = matchMedia("(prefers-color-scheme: dark)");
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

let points = [];
let order = []; // the categories with a colour, the largest first
let chosen = null; // a category
let marked = null; // a point
let view = { x: 0, y: 0, scale: 1 };
let wholeMap = view;

function begin(map) {
  const sizes = new Map();
  for (const point of points) sizes.set(point[MAIN], (sizes.get(point[MAIN]) ?? 0) + 1);
  order = [...sizes].filter(([name]) => name).sort((a, b) => b[1] - a[1]).map(([name]) => name);
  order = order.slice(0, COLOURS.length);
  for (const [place, name] of [...order.entries(), [8, ""]]) addToLegend(place, name);
  const titles = document.querySelector("#titles");
  titles.append(...points.slice(0, 400).map((point) => new Option(point[NAME])));
  description.textContent =
    `${points.length.toLocaleString("en")} items, the most popular. Items that are similar for ${map.model} ` +
    `lie close together; the plane shows ${Math.round(map.explained * 100)}% of the variance.`;
  fit();
  new ResizeObserver(() => draw()).observe(canvas);
  dark.addEventListener("change", draw);
}

function addToLegend(place, name) {
  const count = points.filter((point) =>
    name ? point[CATEGORIES].includes(name) : !order.includes(point[MAIN]),
  ).length;
  if (!count) return;
  const button = document.createElement("button");
  button.type = "button";
  button.setAttribute("aria-pressed", "false");
  const dot = document.createElement("i");
  dot.className = `k${place}`;
  const number = document.createElement("small");
  number.textContent = count.toLocaleString("en");
  button.append(dot, name || "others", number);
  button.addEventListener("click", () => {
    chosen = chosen === name ? null : name;
    for (const each of legend.children) each.setAttribute("aria-pressed", String(each === button && chosen !== null));
    draw();
  });
  legend.append(button);
}

/** Sets the view in which all but the outermost points are visible. */
function fit() {
  const quantile = (axis, fraction) => {
    const values = points.map((point) => point[axis]).sort((a, b) => a - b);
    return values[Math.floor(fraction * (values.length - 1))];
  };
  const [left, right, low, high] = [quantile(X, 0.005), quantile(X, 0.995), quantile(Y, 0.005), quantile(Y, 0.995)];
  const { clientWidth: width, clientHeight: height } = canvas;
  wholeMap = {
    x: (left + right) / 2,
    y: (low + high) / 2,
    scale: 0.9 * Math.min(width / (right - left || 1), height / (high - low || 1)),
    // The two directions may have different scales: the map fills its frame.
    across: 0.92 * width / (right - left || 1),
    up: 0.92 * height / (high - low || 1),
  };
  view = { x: wholeMap.x, y: wholeMap.y, scale: 1 };
  draw();
}

const toScreen = (x, y) => [
  canvas.clientWidth / 2 + (x - view.x) * wholeMap.across * view.scale,
  canvas.clientHeight / 2 - (y - view.y) * wholeMap.up * view.scale,
];

function colourOf(point) {
  const place = order.indexOf(point[MAIN]);
  return place < 0 ? OTHER : COLOURS[place];
}

const isChosen = (point) =>
  chosen === null || (chosen ? point[CATEGORIES].includes(chosen) : !order.includes(point[MAIN]));

function draw() {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const grow = Math.min(2.2, Math.sqrt(view.scale));
  for (const front of [false, true]) {
    for (const point of points) {
      if (isChosen(point) !== front) continue;
      const [x, y] = toScreen(point[X], point[Y]);
      if (x < -10 || y < -10 || x > width + 10 || y > height + 10) continue;
      context.globalAlpha = front ? 0.82 : 0.13;
      context.fillStyle = front ? (chosen ? COLOURS[order.indexOf(chosen)] ?? OTHER : colourOf(point)) : OTHER;
      context.beginPath();
      context.arc(x, y, (1.8 + Math.sqrt(point[N]) / 5) * grow, 0, 7);
      context.fill();
    }
  }
  context.globalAlpha = 1;
  label(context, width, height);
}

/** Writes the names of the most popular visible points, as far as there is room. */
function label(context, width, height) {
  context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 3.5;
  const taken = [];
  const names = marked ? [marked, ...points] : points;
  for (const point of names) {
    if (taken.length > LABELS) break;
    if (point !== marked && !isChosen(point)) continue;
    const [x, y] = toScreen(point[X], point[Y]);
    const text = point[NAME].length > 30 ? `${point[NAME].slice(0, 29)}…` : point[NAME];
    const box = [x + 8, y - 9, context.measureText(text).width + 6, 18];
    if (x < 0 || y < 10 || box[0] + box[2] > width || y > height - 10) continue;
    if (taken.some((other) => overlap(box, other))) continue;
    taken.push(box);
    context.strokeStyle = dark.matches ? "#1c2126" : "#f4f5f7";
    context.strokeText(text, x + 9, y);
    context.fillStyle = dark.matches ? "#e7eaed" : "#1b2026";
    context.fillText(text, x + 9, y);
    if (point === marked) {
      context.strokeStyle = context.fillStyle;
      context.lineWidth = 2;
      context.beginPath();
      context.arc(x, y, 9, 0, 7);
      context.stroke();
      context.lineWidth = 3.5;
    }
  }
}

const overlap = ([ax, ay, aw, ah], [bx, by, bw, bh]) =>
  ax < bx + bw && bx < ax + aw && ay < by + bh && by < ay + ah;

function zoom(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
  if (!factor) return fit();
  const scale = Math.max(0.5, Math.min(60, view.scale * factor));
  const applied = scale / view.scale;
  const across = (x - canvas.clientWidth / 2) / (wholeMap.across * view.scale);
  const up = (canvas.clientHeight / 2 - y) / (wholeMap.up * view.scale);
  view = { x: view.x + across * (1 - 1 / applied), y: view.y + up * (1 - 1 / applied), scale };
  draw();
}

function move(across, up) {
  view = {
    ...view,
    x: view.x - across / (wholeMap.across * view.scale),
    y: view.y + up / (wholeMap.up * view.scale),
  };
  draw();
}

function nearest(x, y, within = 14) {
  let best = null;
  let smallest = within;
  for (const point of points) {
    const [px, py] = toScreen(point[X], point[Y]);
    const distance = Math.hypot(px - x, py - y);
    if (distance < smallest) [best, smallest] = [point, distance];
  }
  return best;
}

/** Marks a point, and shows its name, with a link to its page, and the closest points. */
function mark(point) {
  marked = point;
  const distance = (other) =>
    Math.hypot((other[X] - point[X]) * wholeMap.across, (other[Y] - point[Y]) * wholeMap.up);
  const close = points.filter((other) => other !== point).sort((a, b) => distance(a) - distance(b));
  const link = document.createElement("a");
  link.href = `${ROOT}/items/${encodeURIComponent(point[ID])}`;
  link.textContent = point[NAME];
  const kinds = point[CATEGORIES].length ? ` (${point[CATEGORIES].join(", ")})` : "";
  const names = close.slice(0, CLOSEST).map((other) => other[NAME]);
  description.replaceChildren(link, `${kinds}, touched ${point[N].toLocaleString("en")} times. Closest on the map: ${names.join("; ")}.`);
  draw();
}

function glideTo(point, scale) {
  const from = { ...view };
  const to = { x: point[X], y: point[Y], scale };
  const began = performance.now();
  const duration = reducedMotion.matches ? 0 : 450;
  const step = (now) => {
    const t = duration ? Math.min(1, (now - began) / duration) : 1;
    const eased = 1 - (1 - t) ** 3;
    view = {
      x: from.x + (to.x - from.x) * eased,
      y: from.y + (to.y - from.y) * eased,
      scale: from.scale * (to.scale / from.scale) ** eased,
    };
    draw();
    if (t < 1) requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}

// Mouse, touch and keyboard

canvas.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * 0.0016), event.offsetX, event.offsetY);
  },
  { passive: false },
);

const pointers = new Map(); // position of each pressed pointer, by its id
let travelled = 0;

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
  travelled = 0;
});

canvas.addEventListener("pointermove", (event) => {
  const position = [event.offsetX, event.offsetY];
  const previous = pointers.get(event.pointerId);
  if (!previous) return hover(position);
  tip.hidden = true;
  travelled += Math.hypot(position[0] - previous[0], position[1] - previous[1]);
  const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
  pointers.set(event.pointerId, position);
  if (!other) return move(position[0] - previous[0], position[1] - previous[1]);
  const distance = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
  zoom(distance(position) / distance(previous), (position[0] + other[0]) / 2, (position[1] + other[1]) / 2);
});

for (const kind of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(kind, (event) => {
    pointers.delete(event.pointerId);
    const point = kind === "pointerup" && travelled < 5 && nearest(event.offsetX, event.offsetY);
    if (point) mark(point);
  });
}

canvas.addEventListener("pointerleave", () => (tip.hidden = true));

function hover([x, y]) {
  const point = nearest(x, y);
  tip.hidden = !point;
  canvas.style.cursor = point ? "pointer" : "";
  if (!point) return;
  tip.textContent = point[NAME] + (point[CATEGORIES].length ? ` · ${point[CATEGORIES].join(", ")}` : "");
  const left = Math.min(x + 14, canvas.clientWidth - tip.offsetWidth - 6);
  tip.style.transform = `translate(${left}px, ${Math.max(4, y - 40)}px)`;
}

canvas.addEventListener("keydown", (event) => {
  const step = 60;
  const direction = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key];
  if (direction) move(...direction);
  else if (event.key === "+" || event.key === "=") zoom(1.3);
  else if (event.key === "-") zoom(1 / 1.3);
  else if (event.key === "0") fit();
  else return;
  event.preventDefault();
});

document.querySelectorAll("[data-zoom]").forEach((button) =>
  button.addEventListener("click", () => zoom(Number(button.dataset.zoom))),
);

document.querySelector("#jump").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = document.querySelector("#find").value.trim().toLowerCase();
  const point = text && (points.find((each) => each[NAME].toLowerCase() === text) ??
    points.find((each) => each[NAME].toLowerCase().includes(text)));
  if (!point) {
    description.textContent = text ? `Nothing on the map is called “${text}”.` : "Type a title to jump to.";
    return;
  }
  mark(point);
  glideTo(point, Math.max(4, view.scale));
});

// The points are fetched once everything above is defined.

const response = await fetch(`${ROOT}/desk/map.json`, { headers: { "X-Fragment": "1" } });
if (response.ok) {
  const map = await response.json();
  points = map.points;
  begin(map);
} else {
  description.textContent = await response.text();
}
