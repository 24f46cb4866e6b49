// What the pages do beyond links and forms: hearts without a reload, search as one types, and rows
// that move to where they belong. Without this script everything works by whole pages.

// The prefix of all addresses of the site, as "/shop"; empty without one.
const ROOT = new URL("..", import.meta.url).pathname.replace(/\/$/, "");

const live = document.querySelector("#live");
const said = document.querySelector("#said");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const PATIENCE_S = 30;
const TOAST_S = 12;

// Asking

class Refused extends Error {}

/** The part of a page that changes. A service that is away for a moment is asked again. */
async function fetchPart(url, body, signal) {
  const until = performance.now() + PATIENCE_S * 1000;
  for (let pause = 300; ; pause = Math.min(pause * 1.6, 3000)) {
    try {
      const answer = await fetch(url, {
        method: body ? "POST" : "GET",
        headers: { "X-Fragment": "1" },
        body,
        signal,
      });
      if (answer.ok) return { html: await answer.text(), url: answer.url };
      if (![429, 502, 503].includes(answer.status)) throw new Refused(await answer.text());
    } catch (error) {
      if (error instanceof Refused || error.name === "AbortError") throw error;
    }
    if (performance.now() > until) throw new Refused("The service does not answer.");
    say("The service does not answer; trying again …", true);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** An id for an event, so that it counts once however often it is sent. */
function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (n) =>
    n.toString(16).padStart(2, "0"),
  ).join("");
}

// Saying

let goneAfter;

function say(text, bad = false) {
  document.querySelectorAll(".toast").forEach((toast) => toast.remove());
  const toast = document.createElement("div");
  toast.className = bad ? "toast bad" : "toast";
  const words = document.createElement("p");
  words.textContent = text;
  toast.append(words);
  live.prepend(toast);
  said.textContent = text;
}

function announce() {
  const speaking = live.querySelector("[data-said]");
  if (speaking) said.textContent = speaking.dataset.said;
  clearTimeout(goneAfter);
  const toast = live.querySelector(".toast");
  if (toast) goneAfter = setTimeout(() => leave(toast), TOAST_S * 1000);
}

function leave(toast) {
  // Not while the pointer or the focus is on it.
  if (toast.matches(":hover, :focus-within")) goneAfter = setTimeout(() => leave(toast), 2000);
  else toast.remove();
}

// Moving

const cards = () => [...live.querySelectorAll(".card[data-item]")];

function places() {
  return new Map(cards().map((card) => [card.dataset.item, card.getBoundingClientRect()]));
}

/** Puts new rows in place of the old ones; what stays glides to its new place. */
function show(html, keep = true) {
  const before = places();
  const scrolled = keep
    ? [...live.querySelectorAll(".row")].map((row) => [row.id, row.querySelector(".strip").scrollLeft])
    : [];
  live.innerHTML = html;
  for (const [id, left] of scrolled) {
    const strip = document.getElementById(id)?.querySelector(".strip");
    if (strip) strip.scrollLeft = left;
  }
  announce();
  if (calm.matches) return;
  const height = innerHeight;
  for (const card of cards()) {
    const now = card.getBoundingClientRect();
    if (now.bottom < 0 || now.top > height) continue;
    const then = before.get(card.dataset.item);
    if (!then) {
      card.animate([{ opacity: 0, transform: "scale(.94)" }, { opacity: 1, transform: "none" }], {
        duration: 320,
        easing: "ease-out",
      });
    } else if (then.left !== now.left || then.top !== now.top) {
      const from = `translate(${then.left - now.left}px, ${then.top - now.top}px)`;
      card.animate([{ transform: from }, { transform: "none" }], {
        duration: 420,
        easing: "cubic-bezier(.2, .7, .2, 1)",
      });
    }
  }
}

// Hearts

/** Where the focus goes when a card leaves: to the one that takes its place. */
function placeOf(card) {
  const row = card.closest(".row");
  return row && { row: row.id, place: [...row.querySelectorAll(".card")].indexOf(card) };
}

function focusAt(place) {
  const row = place && document.getElementById(place.row);
  const hearts = (row ?? live).querySelectorAll(".heart");
  hearts[Math.min(place?.place ?? 0, hearts.length - 1)]?.focus({ preventScroll: true });
}

let busy = false;

async function send(form, item, place) {
  if (busy) return;
  busy = true;
  live.classList.add("busy");
  const body = new URLSearchParams(new FormData(form));
  body.set("item", item);
  body.set("event", newId());
  try {
    show((await fetchPart(form.action, body)).html);
    const back = live.querySelector(`.card[data-item="${CSS.escape(item)}"] .heart`);
    if (place !== undefined) (back && !place ? back.focus() : focusAt(place));
  } catch (error) {
    say(error.message, true);
    live.querySelectorAll(".heart.on").forEach((heart) => heart.classList.remove("on"));
  } finally {
    busy = false;
    live.classList.remove("busy");
  }
}

const onRows = () => location.pathname.replace(/\/$/, "") === ROOT && live.querySelector(".row");

document.addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  const undo = form.matches("[data-undo]");
  if (!onRows() || !(form.id === "like" || undo) || !submitter) return;
  event.preventDefault();
  const card = submitter.closest(".card");
  card?.querySelector(".heart").classList.add("on");
  send(form, submitter.value, card ? placeOf(card) : null);
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input:not([type=checkbox]), textarea");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    document.querySelector("#q").focus();
  }
  if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey) && !typing) {
    const undo = live.querySelector("[data-undo] button");
    if (undo) {
      event.preventDefault();
      undo.click();
    }
  }
});

// Along a row with the arrow keys, from card to card.
live.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const card = step && event.target.closest(".strip .card");
  if (!card) return;
  const other = step > 0 ? card.nextElementSibling : card.previousElementSibling;
  const kind = event.target.matches(".heart") ? ".heart" : ".poster";
  other?.querySelector(kind)?.focus();
  if (other) event.preventDefault();
});

// Search as one types

let asked;

/** Calls back when typing pauses; each question ends the one before. */
function whileTyping(input, ask) {
  let waiting;
  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      asked?.abort();
      asked = new AbortController();
      try {
        await ask(input.value.trim(), asked.signal);
      } catch (error) {
        if (error.name !== "AbortError") say(error.message, true);
      }
    }, 160);
  });
}

const search = document.querySelector("#q");
const before = { html: null, url: location.pathname + location.search };

/** The page is the one of that address from now on; forms return to it. */
function standAt(url) {
  history.replaceState(null, "", url);
  document.querySelector("#like [name=back]").value = url;
}

whileTyping(search, async (text, signal) => {
  if (!text) {
    if (before.html === null) return;
    show(before.html, false);
    standAt(before.url);
    before.html = null;
    return;
  }
  const url = `${ROOT}/search?q=${encodeURIComponent(text)}`;
  const { html } = await fetchPart(url, null, signal);
  before.html ??= live.innerHTML;
  show(html, false);
  standAt(url);
});

// Picking

function countPicks(picks) {
  const wanted = Number(picks.dataset.wanted);
  const n = picks.querySelectorAll(":checked").length;
  const left = wanted - n;
  picks.querySelector("#count").textContent =
    n === 0
      ? `Pick ${wanted}, or continue without.`
      : left > 0
        ? `${n} picked, ${left} to go.`
        : `${n} picked, which is enough; more make the lists better.`;
}

const picks = document.querySelector("#picks");
if (picks) {
  countPicks(picks);
  live.addEventListener("change", () => countPicks(document.querySelector("#picks")));
  const field = picks.querySelector("[type=search]");
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
  whileTyping(field, async (text, signal) => {
    const form = document.querySelector("#picks");
    const query = new URLSearchParams({ q: text });
    form.querySelectorAll(":checked").forEach((box) => query.append("pick", box.value));
    const { html } = await fetchPart(`${ROOT}/welcome?${query}`, null, signal);
    const fresh = new DOMParser().parseFromString(html, "text/html");
    form.querySelector("#choices").replaceWith(fresh.querySelector("#choices"));
    const n = fresh.querySelector("#choices").dataset.found;
    said.textContent = text ? `${n ?? 0} found` : "";
    countPicks(form);
  });
}

announce();
