// What lies on top of the page: about one customer, or about nobody.

import { ask } from "./box.js";
import { byId, element } from "./dom.js";
import { text } from "./words.js";

// Whoever walks away leaves nothing open behind them.
const IDLE_MS = 90_000;

// Called when a customer uses a dialog about them.
let keep = () => {};
export const onUse = (act) => {
  keep = act;
};

const sheet = byId("sheet");
const body = byId("sheet-body");
// Whom it is about, and how it is shown again when what is known of them changes.
let open = null;
let guests = [];
let idle;

export const guestOf = (id) => guests.find((guest) => guest.customer.id === id);

function stayOpen() {
  if (open?.customer !== undefined) keep(open.customer);
  clearTimeout(idle);
  idle = setTimeout(closeSheet, IDLE_MS);
}

// Begins to show something; gives back a question whether it is still wanted.
export function opening(about) {
  open = about;
  return () => open === about;
}

export function closeSheet() {
  clearTimeout(idle);
  open = null;
  if (sheet.open) sheet.close();
  body.replaceChildren();
}

// Closed by the browser, as the key Escape does.
sheet.addEventListener("cancel", closeSheet);
sheet.addEventListener("click", (event) => {
  if (event.target === sheet) closeSheet();
});
for (const event of ["pointerdown", "keydown"]) sheet.addEventListener(event, stayOpen);
byId("sheet-close").addEventListener("click", closeSheet);

export function show(title, ...content) {
  byId("sheet-title").textContent = title;
  byId("sheet-close").setAttribute("aria-label", text("close"));
  byId("sheet-fault").textContent = "";
  body.replaceChildren(...content);
  body.scrollTop = 0;
  if (!sheet.open) sheet.showModal();
  stayOpen();
}

export function choices(...buttons) {
  const row = element("div", "choices");
  row.append(...buttons);
  return row;
}

// Does what was chosen, and says so when it cannot be done.
export async function attempt(act) {
  try {
    byId("sheet-fault").textContent = "";
    await act();
    return true;
  } catch {
    fault();
    return false;
  }
}

export async function askAndClose(verb, fields) {
  const asked = open;
  const done = await attempt(() => ask(verb, fields));
  if (done && open === asked) closeSheet();
}

export function fault() {
  byId("sheet-fault").textContent = text("went_wrong");
}

export const isConsentOpen = () => open?.isConsent === true;

// The situation has changed: what is open about somebody who has left is closed. The consent text stays
// open until somebody agrees.
export function keepSheet(present, quiet) {
  guests = present;
  if (open === null) return;
  const { customer, again } = open;
  if (customer === undefined ? !quiet : !guestOf(customer)) closeSheet();
  else again?.();
}
