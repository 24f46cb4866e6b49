// Optional behaviour of the pages: likes without a reload, search while typing, and cards that move
// to their new places. Without this script everything works by links and forms.

// The prefix of all paths of the site, such as "/shop"; empty without one.
const ROOT = new URL("..", import.meta.url).pathname.replace(/\/$/, "");

const live = document.querySelector("#live");
const statusText = document.querySelector("#said"); // read aloud by screen readers
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
const RETRY_FOR_S = 30;
const TOAST_S = 12;

// Requests

class RequestError extends Error {}

/** Fetches the part of a page that changes; repeats the request while the service is unavailable. */
async function fetchPart(url, body, signal) {
  const until = performance.now() + RETRY_FOR_S * 1000;
  for (let pause = 300; ; pause = Math.min(pause * 1.6, 3000)) {
    try {
      const response = await fetch(url, {
        method: body ? "POST" : "GET",
        headers: { "X-Fragment": "1" },
        body,
        signal,
      });
      if (response.ok) return { html: await response.text(), url: response.url };
      if (![429, 502, 503].includes(response.status)) throw new RequestError(await response.text());
    } catch (error) {
      if (error instanceof RequestError || error.name === "AbortError") throw error;
    }
    if (performance.now() > until) throw new RequestError("The service does not answer.");
    showMessage("The service does not answer; trying again …", true);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** An id for an event, so that it counts once however often it is sent. */
function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (n) =>
    n.toString(16).padStart(2, "0"),
  ).join("");
}

// Messages

let toastTimer;

function showMessage(text, isError = false) {
  document.querySelectorAll(".toast").forEach((toast) => toast.remove());
  const toast = document.createElement("div");
  toast.className = isError ? "toast bad" : "toast";
  const words = document.createElement("p");
  words.textContent = text;
  toast.append(words);
  live.prepend(toast);
  statusText.textContent = text;
}

function announce() {
  const announced = live.querySelector("[data-said]");
  if (announced) statusText.textContent = announced.dataset.said;
  clearTimeout(toastTimer);
  const toast = live.querySelector(".toast");
  if (toast) toastTimer = setTimeout(() => removeToast(toast), TOAST_S * 1000);
}

function removeToast(toast) {
  // Not while the pointer or the focus is on it.
  if (toast.matches(":hover, :focus-within")) toastTimer = setTimeout(() => removeToast(toast), 2000);
  else toast.remove();
}

// Moving cards

const cards = () => [...live.querySelectorAll(".card[data-item]")];

function positions() {
  return new Map(cards().map((card) => [card.dataset.item, card.getBoundingClientRect()]));
}

/** Replaces the rows; cards that remain move to their new positions. */
function show(html, keep = true) {
  const before = positions();
  const scrolled = keep
    ? [...live.querySelectorAll(".row")].map((row) => [row.id, row.querySelector(".strip").scrollLeft])
    : [];
  live.innerHTML = html;
  for (const [id, left] of scrolled) {
    const strip = document.getElementById(id)?.querySelector(".strip");
    if (strip) strip.scrollLeft = left;
  }
  announce();
  if (reducedMotion.matches) return;
  const height = innerHeight;
  for (const card of cards()) {
    const current = card.getBoundingClientRect();
    if (current.bottom < 0 || current.top > height) continue;
    const previous = before.get(card.dataset.item);
    if (!previous) {
      card.animate([{ opacity: 0, transform: "scale(.94)" }, { opacity: 1, transform: "none" }], {
        duration: 320,
        easing: "ease-out",
      });
    } else if (previous.left !== current.left || previous.top !== current.top) {
      const from = `translate(${previous.left - current.left}px, ${previous.top - current.top}px)`;
      card.animate([{ transform: from }, { transform: "none" }], {
        duration: 420,
        easing: "cubic-bezier(.2, .7, .2, 1)",
      });
    }
  }
}

// Likes

/** Returns the position of a card, at which the next card gets the focus when it is removed. */
function positionOf(card) {
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
    const heart = live.querySelector(`.card[data-item="${CSS.escape(item)}"] .heart`);
    if (place !== undefined) (heart && !place ? heart.focus() : focusAt(place));
  } catch (error) {
    showMessage(error.message, true);
    live.querySelectorAll(".heart.on").forEach((each) => each.classList.remove("on"));
  } finally {
    busy = false;
    live.classList.remove("busy");
  }
}

const isRowsPage = () => location.pathname.replace(/\/$/, "") === ROOT && live.querySelector(".row");

document.addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  const undo = form.matches("[data-undo]");
  if (!isRowsPage() || !(form.id === "like" || undo) || !submitter) return;
  event.preventDefault();
  const card = submitter.closest(".card");
  card?.querySelector(".heart").classList.add("on");
  send(form, submitter.value, card ? positionOf(card) : null);
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

// Search while typing

let pendingRequest;

/** Calls `request` when typing pauses; each call aborts the previous one. */
function whileTyping(input, request) {
  let timer;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      pendingRequest?.abort();
      pendingRequest = new AbortController();
      try {
        await request(input.value.trim(), pendingRequest.signal);
      } catch (error) {
        if (error.name !== "AbortError") showMessage(error.message, true);
      }
    }, 160);
  });
}

const search = document.querySelector("#q");
const beforeSearch = { html: null, url: location.pathname + location.search };

/** Changes the address of the page, to which forms return. */
function setAddress(url) {
  history.replaceState(null, "", url);
  document.querySelector("#like [name=back]").value = url;
}

whileTyping(search, async (text, signal) => {
  if (!text) {
    if (beforeSearch.html === null) return;
    show(beforeSearch.html, false);
    setAddress(beforeSearch.url);
    beforeSearch.html = null;
    return;
  }
  const url = `${ROOT}/search?q=${encodeURIComponent(text)}`;
  const { html } = await fetchPart(url, null, signal);
  beforeSearch.html ??= live.innerHTML;
  show(html, false);
  setAddress(url);
});

// Picks on the welcome page

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
    const page = new DOMParser().parseFromString(html, "text/html");
    form.querySelector("#choices").replaceWith(page.querySelector("#choices"));
    const n = page.querySelector("#choices").dataset.found;
    statusText.textContent = text ? `${n ?? 0} found` : "";
    countPicks(form);
  });
}

announce();
