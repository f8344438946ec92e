// The page shows a situation: the server sends it whole, when the page opens and with each change.

import { openConsent } from "./customer.js";
import { byId, element } from "./dom.js";
import { showEnrolment } from "./enrolment.js";
import { clock, today } from "./format.js";
import { showGuests } from "./guests.js";
import { closeSheet, keepSheet } from "./sheet.js";
import { speak, text } from "./words.js";

const MOST_GUESTS = 4;
// So long after a customer chose a language the page goes back to its own, when nobody is there.
const LANGUAGE_MS = 30_000;
const RELOAD_MS = 5_000;

let situation = { title: "", guests: [], enrolment: null, camera: null, online: true, link: true };
// How far this machine's clock is ahead of the server's, in milliseconds.
let ahead = 0;
let connected = true;
let expiryTimer;
let languageTimer;
let spoken = "en";
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

function show() {
  const guests = situation.guests.filter((guest) => !expired(guest)).slice(-MOST_GUESTS);
  const enrolment = situation.enrolment && !expired(situation.enrolment) ? situation.enrolment : null;
  const state = enrolment ? "enrolling" : guests.length > 0 ? "greeting" : "quiet";

  document.title = situation.title || "Welcome";
  byId("title").textContent = situation.title;
  byId("status").textContent = statusText();
  const step = showEnrolment(enrolment);
  const names = showGuests(guests, situation.curtain);
  keepSheet(guests, state === "quiet");
  announce(enrolment ? step : guests.length > 0 ? [text("welcome_back"), ...names].join(", ") : "");
  document.body.dataset.state = state;

  clearTimeout(languageTimer);
  if (state === "quiet" && chosen !== null) languageTimer = setTimeout(() => choose(null), LANGUAGE_MS);

  // The server says when something expires; this is for the time when it cannot be heard.
  clearTimeout(expiryTimer);
  const ends = [...guests, ...(enrolment ? [enrolment] : [])].map((event) => Date.parse(event.expires));
  if (ends.length > 0) {
    expiryTimer = setTimeout(show, Math.max(Math.min(...ends) + ahead - Date.now(), 0) + 10);
  }
}

function listen() {
  const events = new EventSource("/events");
  events.addEventListener("situation", (message) => {
    situation = JSON.parse(message.data);
    ahead = Date.now() - Date.parse(situation.now);
    connected = true;
    if (shop !== situation.language) {
      shop = situation.language;
      choose(chosen);
    } else {
      show();
    }
  });
  events.addEventListener("error", () => {
    connected = false;
    show();
  });
}

byId("language").addEventListener("change", (event) => choose(event.target.value));
byId("read-consent").addEventListener("click", () => openConsent(spoken));
addEventListener("keydown", () => {
  if (document.body.dataset.keys) return;
  document.body.dataset.keys = "true";
  show();
});
addEventListener("resize", show);
addEventListener("look-again", show);
addEventListener("look-again", show);
try {
  await choose(null);
  tick();
  listen();
} catch {
  // The server went away while the page was loaded.
  setTimeout(() => location.reload(), RELOAD_MS);
}
