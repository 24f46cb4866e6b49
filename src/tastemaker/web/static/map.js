// The map of the items: points on a canvas that can be moved, enlarged, searched and coloured.

const ROOT = new URL("..", import.meta.url).pathname.replace(/\/$/, "");
const COLOURS = ["#3b82c4", "#d9772b", "#3a9a5f", "#b5539c", "#c9a227", "#d24d57", "#2aa3a3", "#7a68c9"];
const OTHER = "#8a939d";
const [ID, NAME, CATEGORIES, MAIN, X, Y, N] = [0, 1, 2, 3, 4, 5, 6];
const CLOSEST = 8;
const LABELS = 26;

const canvas = document.querySelector("#plane");
const tip = document.querySelector("#tip");
const spot = document.querySelector("#spot");
const legend = document.querySelector("#legend");
const dark = matchMedia("(prefers-color-scheme: dark)");
const calm = matchMedia("(prefers-reduced-motion: reduce)");

let points = [];
let order = []; // the categories with a colour, the largest first
let chosen = null; // a category
let marked = null; // a point
let view = { x: 0, y: 0, scale: 1 };
let all = view;

function begin(found) {
  const sizes = new Map();
  for (const point of points) sizes.set(point[MAIN], (sizes.get(point[MAIN]) ?? 0) + 1);
  order = [...sizes].filter(([name]) => name).sort((a, b) => b[1] - a[1]).map(([name]) => name);
  order = order.slice(0, COLOURS.length);
  for (const [place, name] of [...order.entries(), [8, ""]]) addToLegend(place, name);
  const titles = document.querySelector("#titles");
  titles.append(...points.slice(0, 400).map((point) => new Option(point[NAME])));
  spot.textContent =
    `${points.length.toLocaleString("en")} items, the most popular. Items that are similar for ${found.model} ` +
    `lie close together; the plane shows ${Math.round(found.explained * 100)}% of the variance.`;
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

/** The view in which all but the outermost points are seen. */
function fit() {
  const end = (axis, share) => {
    const values = points.map((point) => point[axis]).sort((a, b) => a - b);
    return values[Math.floor(share * (values.length - 1))];
  };
  const [left, right, low, high] = [end(X, 0.005), end(X, 0.995), end(Y, 0.005), end(Y, 0.995)];
  const { clientWidth: width, clientHeight: height } = canvas;
  all = {
    x: (left + right) / 2,
    y: (low + high) / 2,
    scale: 0.9 * Math.min(width / (right - left || 1), height / (high - low || 1)),
    // The two directions may have different scales: the map fills its frame.
    across: 0.92 * width / (right - left || 1),
    up: 0.92 * height / (high - low || 1),
  };
  view = { x: all.x, y: all.y, scale: 1 };
  draw();
}

const toScreen = (x, y) => [
  canvas.clientWidth / 2 + (x - view.x) * all.across * view.scale,
  canvas.clientHeight / 2 - (y - view.y) * all.up * view.scale,
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
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const grow = Math.min(2.2, Math.sqrt(view.scale));
  for (const front of [false, true]) {
    for (const point of points) {
      if (isChosen(point) !== front) continue;
      const [x, y] = toScreen(point[X], point[Y]);
      if (x < -10 || y < -10 || x > width + 10 || y > height + 10) continue;
      pen.globalAlpha = front ? 0.82 : 0.13;
      pen.fillStyle = front ? (chosen ? COLOURS[order.indexOf(chosen)] ?? OTHER : colourOf(point)) : OTHER;
      pen.beginPath();
      pen.arc(x, y, (1.8 + Math.sqrt(point[N]) / 5) * grow, 0, 7);
      pen.fill();
    }
  }
  pen.globalAlpha = 1;
  label(pen, width, height);
}

/** Names of the most popular points in sight, as far as there is room. */
function label(pen, width, height) {
  pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  pen.textBaseline = "middle";
  pen.lineJoin = "round";
  pen.lineWidth = 3.5;
  const taken = [];
  const names = marked ? [marked, ...points] : points;
  for (const point of names) {
    if (taken.length > LABELS) break;
    if (point !== marked && !isChosen(point)) continue;
    const [x, y] = toScreen(point[X], point[Y]);
    const text = point[NAME].length > 30 ? `${point[NAME].slice(0, 29)}…` : point[NAME];
    const box = [x + 8, y - 9, pen.measureText(text).width + 6, 18];
    if (x < 0 || y < 10 || box[0] + box[2] > width || y > height - 10) continue;
    if (taken.some((other) => overlap(box, other))) continue;
    taken.push(box);
    pen.strokeStyle = dark.matches ? "#1c2126" : "#f4f5f7";
    pen.strokeText(text, x + 9, y);
    pen.fillStyle = dark.matches ? "#e7eaed" : "#1b2026";
    pen.fillText(text, x + 9, y);
    if (point === marked) {
      pen.strokeStyle = pen.fillStyle;
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(x, y, 9, 0, 7);
      pen.stroke();
      pen.lineWidth = 3.5;
    }
  }
}

const overlap = ([ax, ay, aw, ah], [bx, by, bw, bh]) =>
  ax < bx + bw && bx < ax + aw && ay < by + bh && by < ay + ah;

function zoom(by, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
  if (!by) return fit();
  const scale = Math.max(0.5, Math.min(60, view.scale * by));
  const real = scale / view.scale;
  const across = (x - canvas.clientWidth / 2) / (all.across * view.scale);
  const up = (canvas.clientHeight / 2 - y) / (all.up * view.scale);
  view = { x: view.x + across * (1 - 1 / real), y: view.y + up * (1 - 1 / real), scale };
  draw();
}

function move(across, up) {
  view = {
    ...view,
    x: view.x - across / (all.across * view.scale),
    y: view.y + up / (all.up * view.scale),
  };
  draw();
}

function nearest(x, y, within = 14) {
  let best = null;
  let least = within;
  for (const point of points) {
    const [px, py] = toScreen(point[X], point[Y]);
    const distance = Math.hypot(px - x, py - y);
    if (distance < least) [best, least] = [point, distance];
  }
  return best;
}

/** Says which item it is and what lies closest; a link leads to its page. */
function mark(point) {
  marked = point;
  const distance = (other) =>
    Math.hypot((other[X] - point[X]) * all.across, (other[Y] - point[Y]) * all.up);
  const close = points.filter((other) => other !== point).sort((a, b) => distance(a) - distance(b));
  const link = document.createElement("a");
  link.href = `${ROOT}/items/${encodeURIComponent(point[ID])}`;
  link.textContent = point[NAME];
  const kinds = point[CATEGORIES].length ? ` (${point[CATEGORIES].join(", ")})` : "";
  const names = close.slice(0, CLOSEST).map((other) => other[NAME]);
  spot.replaceChildren(link, `${kinds}, touched ${point[N].toLocaleString("en")} times. Closest on the map: ${names.join("; ")}.`);
  draw();
}

function glideTo(point, scale) {
  const from = { ...view };
  const to = { x: point[X], y: point[Y], scale };
  const began = performance.now();
  const duration = calm.matches ? 0 : 450;
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

// Hands

canvas.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * 0.0016), event.offsetX, event.offsetY);
  },
  { passive: false },
);

const fingers = new Map();
let travelled = 0;

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, [event.offsetX, event.offsetY]);
  travelled = 0;
});

canvas.addEventListener("pointermove", (event) => {
  const here = [event.offsetX, event.offsetY];
  const then = fingers.get(event.pointerId);
  if (!then) return hover(here);
  tip.hidden = true;
  travelled += Math.hypot(here[0] - then[0], here[1] - then[1]);
  const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
  fingers.set(event.pointerId, here);
  if (!other) return move(here[0] - then[0], here[1] - then[1]);
  const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
  zoom(apart(here) / apart(then), (here[0] + other[0]) / 2, (here[1] + other[1]) / 2);
});

for (const kind of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(kind, (event) => {
    fingers.delete(event.pointerId);
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
  const way = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key];
  if (way) move(...way);
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
    spot.textContent = text ? `Nothing on the map is called “${text}”.` : "Type a title to jump to.";
    return;
  }
  mark(point);
  glideTo(point, Math.max(4, view.scale));
});

// The start, once everything above is there

const answer = await fetch(`${ROOT}/desk/map.json`, { headers: { "X-Fragment": "1" } });
if (answer.ok) {
  const found = await answer.json();
  points = found.points;
  begin(found);
} else {
  spot.textContent = await answer.text();
}
