// The page shows a situation: the server sends it whole, when the page opens and with each change.

import { openConsent } from "./customer.js";
import { withoutDismissed } from "./dismissed.js";
import { byId, element } from "./dom.js";
import { showEnrolment } from "./enrolment.js";
import { clock, loadCurrencies, today } from "./format.js";
import { showGuests } from "./guests.js";
import { closeSheet, isConsentOpen, keepSheet } from "./sheet.js";
import { speak, text } from "./words.js";

const MOST_GUESTS = 4;
// So long after a customer chose a language the page goes back to its own, when nobody is there.
const LANGUAGE_MS = 30_000;
// Time between two attempts to reach the server.
const RETRY_MS = 3_000;
// Time without the server after which nothing personal is shown: the customer may have left meanwhile.
const PRIVACY_MS = 5_000;
// The server sends something every 15 s. A connection that is silent for longer is lost.
const SILENCE_MS = 22_500;
const FAULT_MS = 6_000;

let situation = { title: "", guests: [], enrolment: null, camera: null, online: true, link: true };
// How far this machine's clock is ahead of the server's, in milliseconds.
let ahead = 0;
let connected = true;
// Time at which the connection to the server was lost.
let lostAt = 0;
// Version of the server that this page came from.
let version;
let events;
let silenceTimer;
let retryTimer;
let faultTimer;
let hasFault = false;
let expiryTimer;
// The offer whose text was opened last.
let offerId;
let languageTimer;
// The language of the page, once it is loaded.
let spoken;
// Chosen by a customer; null while nobody has.
let chosen = null;
// The language that the shop set; undefined before it is known.
let shop;

const expired = (event) => Date.parse(event.expires) + ahead <= Date.now();

function showTime() {
  const now = new Date();
  byId("clock").textContent = clock(now);
  byId("date").textContent = today(now);
}

function tick() {
  showTime();
  setTimeout(tick, 60_000 - (Date.now() % 60_000) + 20);
}

function statusText() {
  if (hasFault) return text("went_wrong");
  if (!connected) return text("reconnecting");
  if (!situation.link || !situation.online) return text("not_connected");
  if (situation.camera === "trouble") return text("camera_trouble");
  return "";
}

function announce(words) {
  if (byId("announcement").textContent !== words) byId("announcement").textContent = words;
}

async function choose(language) {
  chosen = language;
  const wanted = [chosen, shop, ...navigator.languages].filter(Boolean);
  const { tag, known } = await speak(wanted);
  spoken = tag;
  const options = known.map(({ tag: value, name }) => {
    const option = element("option", "", name);
    [option.value, option.lang, option.selected] = [value, value, value === tag];
    return option;
  });
  byId("language").replaceChildren(...options);
  closeSheet();
  showTime();
  show();
}

const tryToChoose = (language) => choose(language).catch(() => dispatchEvent(new Event("fault")));

function show() {
  const isPrivate = !connected && Date.now() - lostAt >= PRIVACY_MS;
  const present = situation.guests.filter((guest) => !isPrivate && !expired(guest));
  const guests = withoutDismissed(present).slice(-MOST_GUESTS);
  const isEnrolling = situation.enrolment && !isPrivate && !expired(situation.enrolment);
  const enrolment = isEnrolling ? situation.enrolment : null;
  const state = enrolment ? "enrolling" : guests.length > 0 ? "greeting" : "quiet";

  const title = situation.title || text("welcome");
  document.title = title;
  byId("title").textContent = title;
  byId("status").textContent = statusText();
  const step = showEnrolment(enrolment);
  const names = showGuests(guests, situation.curtain);
  const isOffered = enrolment?.event === "offered";
  keepSheet(guests, state === "quiet" || isOffered);
  if (isOffered && enrolment.id !== offerId && spoken !== undefined) {
    offerId = enrolment.id;
    if (!isConsentOpen()) openConsent(spoken);
  }
  announce(enrolment ? step : guests.length > 0 ? [text("welcome_back"), ...names].join(", ") : "");
  document.body.dataset.state = state;

  clearTimeout(languageTimer);
  if (state === "quiet" && chosen !== null) languageTimer = setTimeout(() => tryToChoose(null), LANGUAGE_MS);

  // The server says when something expires; this is for the time when it cannot be heard.
  clearTimeout(expiryTimer);
  const ends = [...guests, ...(enrolment ? [enrolment] : [])].map((event) => Date.parse(event.expires));
  if (ends.length > 0) {
    expiryTimer = setTimeout(show, Math.max(Math.min(...ends) + ahead - Date.now(), 0) + 10);
  }
}

// Returns true if the server responds with the page, and not a proxy with an error.
async function isServerUp() {
  const response = await fetch("/").catch(() => null);
  return response?.ok ?? false;
}

async function reload() {
  if (await isServerUp()) location.reload();
  else setTimeout(reload, RETRY_MS);
}

// Begins a new connection after the last one was lost, or was refused by a proxy.
function lose(delay) {
  events.close();
  clearTimeout(silenceTimer);
  clearTimeout(retryTimer);
  retryTimer = setTimeout(listen, delay);
  if (connected) {
    [connected, lostAt] = [false, Date.now()];
    setTimeout(show, PRIVACY_MS + 10);
  }
  show();
}

function hear() {
  clearTimeout(silenceTimer);
  silenceTimer = setTimeout(() => {
    // The grace period has passed during the silence.
    if (connected) [connected, lostAt] = [false, Date.now() - PRIVACY_MS];
    lose(0);
  }, SILENCE_MS);
}

function listen() {
  events = new EventSource("/events");
  hear();
  events.addEventListener("alive", hear);
  events.addEventListener("situation", (message) => {
    hear();
    situation = JSON.parse(message.data);
    version ??= situation.version;
    if (version !== situation.version) reload();
    ahead = Date.now() - Date.parse(situation.now);
    connected = true;
    if (shop !== situation.language) {
      shop = situation.language;
      tryToChoose(chosen);
    } else {
      show();
    }
  });
  events.addEventListener("error", () => lose(RETRY_MS));
}

byId("language").addEventListener("change", (event) => tryToChoose(event.target.value));
// Without a language, nothing can be read yet.
byId("read-consent").addEventListener("click", () => {
  if (spoken !== undefined) openConsent(spoken);
});
addEventListener("keydown", () => {
  if (document.body.dataset.keys) return;
  document.body.dataset.keys = "true";
  show();
});
addEventListener("resize", show);
addEventListener("look-again", show);
addEventListener("fault", () => {
  hasFault = true;
  clearTimeout(faultTimer);
  faultTimer = setTimeout(() => {
    hasFault = false;
    show();
  }, FAULT_MS);
  show();
});
try {
  await loadCurrencies();
  await choose(null);
  tick();
  listen();
} catch {
  // The server went away while the page was loaded.
  setTimeout(reload, RETRY_MS);
}
