// A customer's past orders, page by page: by time, by product, or as what they buy again.

import { ask } from "./box.js";
import { button, element } from "./dom.js";
import { lineAmount, money, orderDate, product, quantity, reason } from "./format.js";
import { attempt, fault, opening, show } from "./sheet.js";
import { text } from "./words.js";

const PAGE_LENGTH = 8;

function orderEntry(order) {
  const entry = element("li", "order");
  const head = element("p", "head");
  head.append(element("span", "", orderDate(order.placed)), element("span", "amount", money(order.total, order.currency)));
  const lines = element("ul", "lines");
  lines.append(
    ...order.lines.map((line) => {
      const item = element("li");
      item.append(element("span", "what", product(line)), element("span", "amount", money(lineAmount(line), order.currency)));
      return item;
    }),
  );
  entry.append(head, lines);
  return entry;
}

function productEntry(bought) {
  const entry = element("li", "entry");
  const words = element("div", "words");
  words.append(
    element("span", "what", bought.name),
    element("span", "reason", `${text("bought_in", { orders: bought.orders })} · ${quantity(bought.quantity, bought.unit)}`),
  );
  entry.append(words, element("span", "amount", money(bought.spent, bought.currency)));
  return entry;
}

function againEntry(bought) {
  const entry = element("li", "entry");
  const words = element("div", "words");
  const facts = bought.every_days === undefined
    ? { kind: "once", days_ago: bought.days_since }
    : { kind: "due", every_days: bought.every_days, since_days: bought.days_since };
  words.append(element("span", "what", bought.name), element("span", "reason", reason({ why: facts, reason: "" })));
  entry.append(words);
  return entry;
}

const VIEWS = [
  { by: "time", label: "by_time", part: "orders", entry: orderEntry },
  { by: "product", label: "by_product", part: "products", entry: productEntry },
  { by: "again", label: "by_again", part: "again", entry: againEntry },
];

export async function openHistory(customer, by = "time", page = 1) {
  const view = VIEWS.find((candidate) => candidate.by === by);
  let history;
  const wanted = opening({ customer });
  const told = await attempt(async () => {
    ({ history } = await ask("history", { customer, by, page, limit: PAGE_LENGTH }));
  });
  if (!wanted()) return;
  const tabs = element("div", "choices tabs");
  tabs.append(
    ...VIEWS.map((other) => {
      const tab = button("pill", text(other.label), () => openHistory(customer, other.by));
      tab.setAttribute("aria-pressed", String(other.by === by));
      return tab;
    }),
  );
  const entries = history?.[view.part] ?? [];
  const list = element("ul", "entries");
  list.tabIndex = 0;
  list.setAttribute("aria-label", text(view.label));
  list.append(...entries.map(view.entry));
  const turns = element("div", "choices turns");
  if (history?.pages > 1) {
    const later = button("pill", text("later"), () => openHistory(customer, by, page - 1));
    const earlier = button("pill", text("earlier"), () => openHistory(customer, by, page + 1));
    later.disabled = page <= 1;
    earlier.disabled = page >= history.pages;
    turns.append(later, element("span", "", text("page", { page, pages: history.pages })), earlier);
  }
  const nothing = entries.length === 0 ? [element("p", "reason", text(by === "again" ? "no_repeats" : "no_orders"))] : [list, turns];
  show(text("my_orders"), tabs, ...nothing);
  if (!told) fault();
}
