// What a customer may decide: their list, their name, what is shown, whether they are known at all.

import { ask } from "./box.js";
import { button, element } from "./dom.js";
import { openHistory } from "./history.js";
import { askAndClose, attempt, choices, closeSheet, guestOf, opening, show } from "./sheet.js";
import { text } from "./words.js";

export function openList(customer) {
  opening({ customer, again: () => showList(customer) });
  showList(customer);
}

function showList(customer) {
  const { list } = guestOf(customer);
  const items = list.map(({ sku, name }) => {
    const item = element("li", "entry");
    const off = button("pill", text("off_list"), () => attempt(() => ask("list", { customer, remove: [sku] })));
    off.setAttribute("aria-label", `${text("off_list")}: ${name}`);
    item.append(element("span", "what", name), off);
    return item;
  });
  const entries = element("ul", "entries");
  entries.append(...items);
  const note = element("p", "reason", text(list.length === 0 ? "my_list_empty" : "my_list_note"));
  show(text("my_list"), ...(list.length === 0 ? [note] : [entries, note]));
}

function openName(customer) {
  opening({ customer });
  const form = element("form");
  const field = element("input");
  field.id = "chosen-name";
  field.maxLength = 40;
  field.autocomplete = "off";
  field.value = guestOf(customer)?.customer.name ?? "";
  const label = element("label", "", text("name_label"));
  label.htmlFor = field.id;
  const save = element("button", "pill strong", text("save"));
  form.append(label, field, choices(save));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    askAndClose("rename", { customer, name: field.value.trim() || null });
  });
  show(text("choose_name"), form);
  field.focus();
}

// Asked twice: what it means, and whether that is what they want.
function openForget(customer, sure = false) {
  opening({ customer });
  const keep = button("pill", text("keep_me"), closeSheet);
  const next = sure
    ? button("pill danger", text("forget_yes"), () => askAndClose("forget", { customer }))
    : button("pill danger", text("forget_me"), () => openForget(customer, true));
  show(text("forget_me"), element("p", "", text(sure ? "forget_sure" : "forget_text")), choices(keep, next));
  keep.focus();
}

export async function openOptions(customer, turn) {
  const guest = guestOf(customer);
  const wanted = opening({ customer });
  // What they want to see now; all of it, should the box not say.
  const told = await ask("preferences", { customer }).catch(() => ({}));
  if (!wanted()) return;
  const { history = true, recommendations = true } = told.preferences?.preferences ?? {};
  const prefer = (wish) => () => askAndClose("preferences", { customer, ...wish });
  const item = (key, act, name = "option") => button(name, text(key), act);
  const go = (open) => () => open(customer);
  const list = element("div", "options");
  list.append(
    ...(guest.orders.length > 0 ? [item("my_orders", go(openHistory))] : []),
    item("my_list", go(openList)),
    item("show_less", () => {
      closeSheet();
      turn();
    }),
    item("choose_name", go(openName)),
    history ? item("hide_history", prefer({ history: false })) : item("show_history", prefer({ history: true })),
    recommendations
      ? item("no_recommendations", prefer({ recommendations: false }))
      : item("recommendations_again", prefer({ recommendations: true })),
    item("forget_me", go(openForget), "option danger"),
  );
  show(guest.customer.name ?? text("options"), list);
}

// What somebody agrees to who wants to be known, and the way to begin without the button.
export function openConsent(language) {
  opening({});
  const paragraphs = text("consent_text").split("\n").map((paragraph) => element("p", "", paragraph));
  const begin = button("pill strong", text("agree"), () => askAndClose("enrol", { language }));
  show(text("read_consent"), ...paragraphs, choices(button("pill", text("no_thanks"), closeSheet), begin));
}
