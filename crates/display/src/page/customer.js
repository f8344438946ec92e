// What a customer may decide: their list, their name, what is shown, whether they are known at all.

import { ask } from "./box.js";
import { button, element } from "./dom.js";
import { openHistory } from "./history.js";
import { CODE_KEYS, offerKeys } from "./keyboard.js";
import { askAndClose, attempt, choices, closeSheet, fault, guestOf, opening, show } from "./sheet.js";
import { text } from "./words.js";

const TITLE_LENGTH = 80;

const ALLERGENS = [
  "gluten", "crustaceans", "eggs", "fish", "peanuts", "soybeans", "milk",
  "nuts", "celery", "mustard", "sesame", "sulphites", "lupin", "molluscs",
];

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

const saveButton = () => choices(element("button", "pill strong", text("save")));

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
  form.append(label, field, saveButton());
  offerKeys(field, form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    askAndClose("rename", { customer, name: field.value.trim() || null });
  });
  show(text("choose_name"), form);
  field.focus();
}

function openAvoided(customer, avoided) {
  opening({ customer });
  const form = element("form");
  const choice = element("fieldset", "options");
  choice.append(
    element("legend", "", text("avoid_text")),
    ...ALLERGENS.map((allergen) => {
      const label = element("label", "option");
      const tick = element("input");
      [tick.type, tick.name, tick.checked] = ["checkbox", allergen, avoided.includes(allergen)];
      label.append(tick, text(`allergen_${allergen}`));
      return label;
    }),
  );
  form.append(choice, saveButton());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const allergens = [...form.querySelectorAll(":checked")].map(({ name }) => name);
    askAndClose("preferences", { customer, allergens });
  });
  show(text("avoid"), form);
}

// Says what the deletion means and how the customer confirms it: with the button at the entrance, or with
// a code. A face alone does not delete anybody.
function openForget(customer) {
  opening({ customer });
  const form = element("form");
  const field = element("input");
  field.id = "receipt-code";
  field.maxLength = 12;
  field.autocomplete = "off";
  field.setAttribute("autocapitalize", "characters");
  const label = element("label", "", text("forget_code"));
  label.htmlFor = field.id;
  const keep = button("pill", text("keep_me"), closeSheet);
  form.append(label, field, choices(keep, element("button", "pill danger", text("forget_yes"))));
  offerKeys(field, form, CODE_KEYS);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (field.value.trim()) askAndClose("forget", { customer, code: field.value.trim() });
  });
  const paragraphs = ["forget_text", "forget_hold"].map((key) => element("p", "", text(key)));
  show(text("forget_me"), ...paragraphs, form);
  keep.focus();
}

export async function openOptions(customer, turn) {
  const guest = guestOf(customer);
  const wanted = opening({ customer });
  // What they want to see now; all of it, should the box not say.
  let told = {};
  const isKnown = await attempt(async () => {
    told = await ask("preferences", { customer });
  });
  if (!wanted()) return;
  const { history = true, recommendations = true, allergens } = told.preferences?.preferences ?? {};
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
    // What is not known cannot be changed: saving replaces all of it.
    ...(allergens ? [item("avoid", () => openAvoided(customer, allergens))] : []),
    item("forget_me", go(openForget), "option danger"),
  );
  show(guest.customer.name ?? text("options"), list);
  if (!isKnown) fault();
}

// Shows the consent text of the box, and sends the agreement with the code that only this page received.
export async function openConsent(language) {
  const isWanted = opening({ isConsent: true });
  const refuse = button("pill", text("no_thanks"), closeSheet);
  show(text("read_consent"), choices(refuse));
  let offer;
  const isOffered = await attempt(async () => {
    offer = (await ask("enrol", { language })).offered;
  });
  if (!isOffered || !isWanted()) return;
  const texts = offer.consent.text.split("\n\n");
  // A short first paragraph is a title.
  const title = texts[0].length <= TITLE_LENGTH ? texts.shift() : text("read_consent");
  const paragraphs = texts.map((paragraph) => element("p", "", paragraph));
  for (const paragraph of paragraphs) paragraph.lang = offer.consent.language;
  const agree = button("pill strong", text("agree"), async () => {
    const isDone = await attempt(() => ask("agree", { code: offer.code }));
    if (!isWanted()) return;
    if (isDone) return closeSheet();
    // The code has expired: the text is shown again, with a new one.
    await openConsent(language);
    fault();
  });
  show(title, ...paragraphs, choices(refuse, agree));
}
