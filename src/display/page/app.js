// The page shows a situation: the server sends it whole, when the page opens and with each change.
// Text from outside enters the page by textContent alone.
"use strict";

const MOST_GUESTS = 4;
const MOST_ROWS = 5;
const FADE_MS = 600;

const byId = (id) => document.getElementById(id);
const locale = navigator.languages.find((language) => language.startsWith("en")) ?? "en-GB";

const FAILURES = {
  timed_out: "We could not see you well enough.",
  several_faces: "There was more than one face in view.",
  already_enrolled: "We know you already.",
  face_changed: "Somebody else came into view.",
  not_stored: "Something went wrong on our side.",
  no_camera: "Our camera is not working just now.",
  not_live: "That looked like a picture of a face.",
};

let situation = { title: "", guests: [], enrolment: null, camera: null, online: true, link: true };
// How far this machine's clock is ahead of the server's, in milliseconds.
let ahead = 0;
let connected = true;
let expiryTimer;

const expired = (event) => Date.parse(event.expires) + ahead <= Date.now();

function element(tag, name, text) {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;
  return made;
}

// Money, dates, quantities.

function money(minor, currency) {
  const format = new Intl.NumberFormat(locale, { style: "currency", currency });
  return format.format(minor / 10 ** format.resolvedOptions().maximumFractionDigits);
}

// An order's time is RFC 3339, perhaps with its zone behind: 2026-03-29T09:15:00+02:00[Europe/Berlin]
function orderDate(placed) {
  const [, time, offset, zone] = /^(.*?(Z|[+-]\d\d:\d\d))(?:\[([^\]]*)\])?$/.exec(placed) ?? [];
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return "";
  const style = { weekday: "long", day: "numeric", month: "long" };
  if (date.getFullYear() !== new Date().getFullYear()) style.year = "numeric";
  for (const timeZone of [zone, offset === "Z" ? "UTC" : offset]) {
    if (!timeZone) continue;
    try {
      return new Intl.DateTimeFormat(locale, { ...style, timeZone }).format(date);
    } catch (error) {
      // A zone that this browser does not know: the next best one will do.
      if (!(error instanceof RangeError)) throw error;
    }
  }
  return new Intl.DateTimeFormat(locale, style).format(date);
}

function product(line) {
  if (line.quantity === 1) return line.name;
  const quantity = new Intl.NumberFormat(locale, { maximumFractionDigits: 3 }).format(line.quantity);
  return `${quantity} × ${line.name}`;
}

// A greeting.

// With the most rows that the card has room for.
function fitGuest(card, guest) {
  const columns = card.querySelector(".columns");
  for (let rows = MOST_ROWS; rows > 0; rows -= 1) {
    fillGuest(card, guest, rows);
    if (columns.scrollHeight <= columns.clientHeight) return;
  }
}

function fillGuest(card, guest, rows) {
  const find = (selector) => card.querySelector(selector);
  const name = guest.customer.name;
  find(".hello").textContent = name === null ? "" : "Welcome back,";
  find("h1").textContent = name ?? "Welcome back";

  const order = guest.orders[0];
  find(".last").hidden = !order;
  if (order) {
    find(".when").textContent = orderDate(order.placed);
    // One line more is shown in place of a remark that it is left out.
    const shown = order.lines.length > rows + 1 ? order.lines.slice(0, rows) : order.lines;
    const items = shown.map((line) => {
      const item = document.createElement("li");
      item.append(
        element("span", "what", product(line)),
        element("span", "amount", money(Math.round(line.quantity * line.unit_price), order.currency)),
      );
      return item;
    });
    const rest = order.lines.length - shown.length;
    if (rest > 0) items.push(element("li", "more", `and ${rest} more`));
    find(".last ul").replaceChildren(...items);
    find(".total .amount").textContent = money(order.total, order.currency);
  }

  const again = guest.recommendations.slice(0, Math.ceil(rows * 0.75));
  find(".again").hidden = again.length === 0;
  find(".again ul").replaceChildren(
    ...again.map((recommendation) => {
      const item = document.createElement("li");
      item.append(
        element("span", "what", recommendation.name),
        element("span", "reason", recommendation.reason),
      );
      return item;
    }),
  );
}

function showGuests(guests) {
  const place = byId("guests");
  const cards = new Map(
    [...place.querySelectorAll("article:not(.leaving)")].map((card) => [card.dataset.customer, card]),
  );
  const leaving = new Set(cards.values());
  if (guests.length > 0) place.dataset.count = guests.length;
  for (const guest of guests) {
    let card = cards.get(guest.customer.id);
    if (!card) {
      card = byId("guest").content.firstElementChild.cloneNode(true);
      card.dataset.customer = guest.customer.id;
      place.append(card);
    }
    leaving.delete(card);
    cards.set(guest.customer.id, card);
  }
  for (const card of leaving) {
    // Beside others a card makes room at once; the last one fades with its section.
    if (guests.length > 0) {
      card.remove();
    } else {
      card.classList.add("leaving");
      setTimeout(() => card.remove(), FADE_MS);
    }
  }
  // Only now does each card have its place, and with it its size.
  for (const guest of guests) fitGuest(cards.get(guest.customer.id), guest);
}

// An enrolment.

function stepTexts(event) {
  switch (event.event) {
    case "offered":
      return {
        step: "We do not know you yet",
        hint: "Press the button once more to join.",
        note: "Nothing was kept.",
      };
    case "started":
      return { step: "Hello!", hint: "Please look at the camera." };
    case "look_here":
      return { step: "Look here", hint: "Come a little closer and face the camera." };
    case "captured":
      return event.count < event.of
        ? { step: "Very good", hint: "Keep looking at the camera.", dots: event }
        : { step: "Thank you", hint: "One moment.", dots: event };
    case "done":
      return {
        step: "Done. See you soon!",
        hint: "Your code for the till:",
        code: event.claim_code,
        receipt: event.receipt,
        note: event.resembles_another
          ? "You look much like another customer: we greet you only when we are sure. To leave again, hold the button."
          : "With it, today’s basket is the first one we remember for you.",
      };
    case "failed":
      return {
        step: event.reason === "already_enrolled" ? "Hello again!" : "That did not work",
        hint: FAILURES[event.reason] ?? "Something went wrong.",
        note:
          event.reason === "already_enrolled"
            ? "There is nothing more to do."
            : "Nothing was kept. Press the button to try again.",
      };
    case "withdrawn":
      return { step: "You are forgotten.", hint: "Come back whenever you like." };
    default:
      return { step: "", hint: "" };
  }
}

function showDots(progress) {
  const dots = byId("dots");
  const of = Math.min(progress?.of ?? 0, 24);
  dots.replaceChildren(
    ...Array.from({ length: of }, (_, index) => element("span", index < progress.count ? "full" : "", "")),
  );
  if (of > 0) dots.setAttribute("aria-label", `${progress.count} of ${progress.of}`);
}

function showReceipt(receipt) {
  byId("receipt").hidden = !receipt;
  const [picture, words] = byId("receipt").children;
  if (!receipt) {
    picture.removeAttribute("src");
    words.textContent = "";
    return;
  }
  picture.src = `/receipt/${receipt}`;
  words.textContent = `Your receipt: ${receipt}. With it we find your data, should you want to see it or have it deleted.`;
}

function showEnrolment(event) {
  const { step, hint, code, note, dots, receipt } = stepTexts(event);
  byId("step").textContent = step;
  byId("hint").textContent = hint;
  byId("code").textContent = code ?? "";
  byId("note").textContent = note ?? "";
  showDots(dots);
  showReceipt(receipt);
  document.body.dataset.step = event.event;
}

// Nobody.

function showTime() {
  const now = new Date();
  const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
  const date = new Intl.DateTimeFormat(locale, { weekday: "long", day: "numeric", month: "long" });
  // Whoever reads it knows whether it is morning.
  const digits = clock.formatToParts(now).filter((part) => part.type !== "dayPeriod");
  byId("clock").textContent = digits.map((part) => part.value).join("").trim();
  byId("date").textContent = date.format(now);
  setTimeout(showTime, 60_000 - (now.getTime() % 60_000) + 20);
}

function statusText() {
  if (!connected) return "Reconnecting…";
  if (!situation.link || !situation.online) return "The entrance is not connected";
  if (situation.camera === "trouble") return "The camera is not available";
  return "";
}

// All of it.

function show() {
  const guests = situation.guests.filter((guest) => !expired(guest));
  const enrolment = situation.enrolment && !expired(situation.enrolment) ? situation.enrolment : null;

  document.title = situation.title || "Welcome";
  byId("title").textContent = situation.title;
  byId("status").textContent = statusText();
  if (enrolment) {
    showEnrolment(enrolment);
  } else {
    delete document.body.dataset.step;
  }
  showGuests(guests.slice(-MOST_GUESTS));
  document.body.dataset.state = enrolment ? "enrolling" : guests.length > 0 ? "greeting" : "quiet";

  // The server says when something expires; this is for the time when it cannot be heard.
  clearTimeout(expiryTimer);
  const ends = [...guests, ...(enrolment ? [enrolment] : [])].map((event) => Date.parse(event.expires));
  if (ends.length > 0) {
    expiryTimer = setTimeout(show, Math.max(Math.min(...ends) + ahead - Date.now(), 0) + 10);
  }
}

const events = new EventSource("/events");
events.addEventListener("situation", (message) => {
  situation = JSON.parse(message.data);
  ahead = Date.now() - Date.parse(situation.now);
  connected = true;
  show();
});
events.addEventListener("error", () => {
  connected = false;
  show();
});

addEventListener("resize", show);
showTime();
