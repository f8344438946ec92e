// Who is greeted: a card each.

import { ask, touch } from "./box.js";
import { openList, openOptions } from "./customer.js";
import { dismiss } from "./dismissed.js";
import { button, byId, element } from "./dom.js";
import { lineAmount, money, orderDate, product, reason } from "./format.js";
import { openHistory } from "./history.js";
import { onUse } from "./sheet.js";
import { locale, text } from "./words.js";

const ORDER_ROWS_MAX = 5;

// The numbers from `from` to `to`, downwards.
const down = (from, to) => Array.from({ length: Math.max(from - to + 1, 0) }, (_, index) => from - index);

// Numbers of rows of the last order and of the recommendations: the most first.
function rowChoices(recommendationCount) {
  return down(ORDER_ROWS_MAX, 1)
    .flatMap((order) => down(Math.max(recommendationCount, 1), 1).map((again) => ({ order, again, earlier: 0 })))
    .sort((a, b) => b.order + b.again - a.order - a.again || b.again - a.again);
}

const FADE_MS = 600;

// Who wants to show less, or more where the shop draws the curtain by itself.
const turned = new Set();

// Time between two messages that a customer uses the page.
const TOUCH_INTERVAL_MS = 2_000;
let lastTouch = { customer: null, at: 0 };

// Keeps a guest on the page who uses it, also when the camera does not see their face.
export function keepGuest(customer) {
  if (lastTouch.customer === customer && Date.now() - lastTouch.at < TOUCH_INTERVAL_MS) return;
  lastTouch = { customer, at: Date.now() };
  // If the message is lost, the next touch sends another. The status line reports the lost connection.
  touch(customer).catch(() => {
    lastTouch = { customer: null, at: 0 };
  });
}

onUse(keepGuest);

const isDrawn = (guest, curtain) => turned.has(guest.customer.id) !== curtain;

function turn(guest) {
  const { id } = guest.customer;
  if (!turned.delete(id)) turned.add(id);
  dispatchEvent(new Event("look-again"));
}

// What a customer is called where everybody can see and hear it; null where they chose no name.
const shownName = ({ customer: { name } }, drawn) => (drawn ? (name?.split(/\s+/u)[0] ?? null) : name);

function shownOrder(card, order, rows) {
  const find = (selector) => card.querySelector(`.last ${selector}`);
  find("h2").textContent = text("last_time");
  find(".when").textContent = orderDate(order.placed);
  // One line more is shown in place of a remark that it is left out.
  const shown = order.lines.length > rows + 1 ? order.lines.slice(0, rows) : order.lines;
  const items = shown.map((line) => {
    const item = document.createElement("li");
    item.append(
      element("span", "what", product(line)),
      element("span", "amount", money(lineAmount(line), order.currency)),
    );
    return item;
  });
  const rest = order.lines.length - shown.length;
  if (rest > 0) items.push(element("li", "more", text("more_lines", { count: rest })));
  find("ul").replaceChildren(...items);
  const [label, amount] = find(".total").children;
  label.textContent = text("total");
  amount.textContent = money(order.total, order.currency);
}

function shownEarlier(card, orders) {
  const items = orders.map(({ placed, total, currency }) => {
    const item = document.createElement("li");
    item.append(element("span", "what", orderDate(placed)), element("span", "amount", money(total, currency)));
    return item;
  });
  card.querySelector(".earlier").replaceChildren(...items);
}

function listButton(guest, { sku, name }) {
  const listed = guest.list.some((item) => item.sku === sku);
  const made = button("mark", "", async () => {
    made.disabled = true;
    const change = listed ? { remove: [sku] } : { add: [sku] };
    // What comes of it, the box says to every display.
    try {
      await ask("list", { customer: guest.customer.id, ...change });
    } catch {
      dispatchEvent(new Event("fault"));
    }
    made.disabled = false;
  });
  made.dataset.sku = sku;
  made.setAttribute("aria-pressed", String(listed));
  made.setAttribute("aria-label", `${text("to_list")}: ${name}`);
  made.title = text(listed ? "off_list" : "to_list");
  return made;
}

function shownAgain(card, guest, again) {
  card.querySelector(".again h2").textContent = text("again");
  const items = again.map((recommendation) => {
    const item = document.createElement("li");
    const words = element("div", "words");
    words.append(
      element("span", "what", recommendation.name),
      element("span", "reason", reason(recommendation)),
    );
    item.append(words, listButton(guest, recommendation));
    return item;
  });
  card.querySelector(".again ul").replaceChildren(...items);
}

function actions(guest, drawn) {
  const { id } = guest.customer;
  const more = button("pill", text("options"), () => openOptions(id, () => turn(guest)));
  more.setAttribute("aria-haspopup", "dialog");
  const notMe = button("pill", text("not_me"), () => dismiss(guest));
  if (drawn) return [notMe];
  return [
    ...(guest.orders.length > 0 ? [button("pill roomy", text("my_orders"), () => openHistory(id))] : []),
    button("pill roomy", text("my_list"), () => openList(id)),
    button("pill roomy", text("show_less"), () => turn(guest)),
    notMe,
    more,
  ];
}

function fill(card, guest, rows, drawn) {
  const find = (selector) => card.querySelector(selector);
  const name = shownName(guest, drawn);
  find(".hello").textContent = name === null ? "" : text("welcome_back");
  find("h1").textContent = name === null ? text("welcome_back") : name;
  card.classList.toggle("drawn", drawn);
  find(".curtain").textContent = text("show_more");
  find(".curtain").hidden = !drawn;
  // What is not shown is not in the page either.
  for (const list of card.querySelectorAll("ul")) list.replaceChildren();
  for (const place of card.querySelectorAll(".when, .total span")) place.textContent = "";
  const order = drawn ? undefined : guest.orders[0];
  const again = drawn ? [] : guest.recommendations.slice(0, rows.again);
  find(".last").hidden = !order;
  if (order) shownOrder(card, order, rows.order);
  if (order) shownEarlier(card, guest.orders.slice(1, 1 + rows.earlier));
  find(".again").hidden = again.length === 0;
  if (again.length > 0) shownAgain(card, guest, again);
  find(".columns").hidden = !order && again.length === 0;
}

// The card anew, with the most rows that it has room for. Whatever had the focus has it again.
function renew(card, guest, drawn) {
  const focused = document.activeElement?.dataset?.sku;
  const place = [...card.querySelectorAll(".actions button")].indexOf(document.activeElement);
  const made = actions(guest, drawn);
  card.querySelector(".actions").replaceChildren(...made);
  card.querySelector(".curtain").onclick = () => turn(guest);
  const columns = card.querySelector(".columns");
  const fits = (rows) => {
    fill(card, guest, rows, drawn);
    return columns.scrollHeight <= columns.clientHeight;
  };
  const rows = rowChoices(guest.recommendations.length).find(fits);
  // Earlier orders take the room that is left.
  if (rows) down(guest.orders.length - 1, 0).find((earlier) => fits({ ...rows, earlier }));
  if (place >= 0) made[Math.min(place, made.length - 1)].focus();
  const marks = [...card.querySelectorAll(".mark")];
  if (focused) marks.find((mark) => mark.dataset.sku === focused)?.focus();
}

// Shows these guests and nobody else; gives back what they are called where everybody can hear it.
export function showGuests(guests, curtain) {
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
      for (const event of ["pointerdown", "keydown"]) {
        card.addEventListener(event, () => keepGuest(guest.customer.id));
      }
      place.append(card);
      cards.set(guest.customer.id, card);
    }
    leaving.delete(card);
  }
  for (const card of leaving) {
    turned.delete(card.dataset.customer);
    // Beside others a card makes room at once; the last one fades with its section.
    if (guests.length > 0) {
      card.remove();
    } else {
      card.classList.add("leaving");
      card.inert = true;
      setTimeout(() => card.remove(), FADE_MS);
    }
  }
  // Only now does each card have its place, and with it its size.
  for (const guest of guests) {
    const card = cards.get(guest.customer.id);
    const drawn = isDrawn(guest, curtain);
    const seen = JSON.stringify([guest, drawn, guests.length, locale(), innerWidth, innerHeight, document.body.dataset.keys]);
    if (card.seen !== seen) renew(card, guest, drawn);
    card.seen = seen;
  }
  return guests.map((guest) => shownName(guest, isDrawn(guest, curtain))).filter(Boolean);
}
