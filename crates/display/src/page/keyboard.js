// Letters to touch: a shop's screen has no keyboard, neither on the table nor in its system.

import { button, byId, element } from "./dom.js";
import { locale, text } from "./words.js";

// Room for twelve keys in a row, each as large as a finger. A phone has less, and a keyboard of its own.
const ROOM = matchMedia("(min-width: 44rem)");
// The letters of other European languages' names; a language's own are among its words.
const ACCENTS = "àáâäãåąæçćčđ èéêëęěğíîïıł ñńòóôöőøœřśš şßùúûüűůýžźż";

// The digits and letters of receipts and claim codes (Crockford's base 32).
export const CODE_KEYS = "0123456789 ABCDEFGHJK MNPQRSTVWX YZ";

// Whether what was done last was done by a finger.
let touching = false;
addEventListener("pointerdown", (event) => { touching = event.pointerType === "touch"; }, true);
addEventListener("keydown", () => { touching = false; }, true);

function capital(letter) {
  const large = letter.toLocaleUpperCase(locale());
  return large.length === letter.length ? large : letter;
}

function keysFor(field, letters) {
  const keys = byId("keys").content.firstElementChild.cloneNode(true);
  const rows = keys.querySelector(".letters");
  const { shift, accents, space, erase } = Object.fromEntries(
    [...keys.querySelectorAll("button")].map((key) => [key.name, key]),
  );
  // Set by hand, for the next letter; null: as names are written.
  let large = null;

  const isLarge = () => large ?? /(^|[\s-])$/u.test(field.value.slice(0, field.selectionStart));

  function look() {
    shift.setAttribute("aria-pressed", String(isLarge()));
    for (const key of rows.querySelectorAll("button")) {
      key.textContent = isLarge() ? capital(key.value) : key.value;
    }
  }

  function put(letters, from = field.selectionStart) {
    const length = field.value.length - (field.selectionEnd - from) + letters.length;
    if (length <= field.maxLength) field.setRangeText(letters, from, field.selectionEnd, "end");
    large = null;
    look();
  }

  function letterKey(letter) {
    const key = button("key", letter, () => put(isLarge() ? capital(letter) : letter));
    key.value = letter;
    return key;
  }

  function lay(letters) {
    rows.replaceChildren(
      ...letters.split(" ").map((letters) => {
        const row = element("div", "row");
        row.append(...[...letters].map(letterKey));
        return row;
      }),
    );
    look();
  }

  keys.setAttribute("aria-label", text("keyboard"));
  for (const key of [shift, erase]) key.setAttribute("aria-label", text(key.name));
  accents.lastElementChild.textContent = text("accents");
  space.textContent = text("space");
  shift.addEventListener("click", () => {
    large = !isLarge();
    look();
  });
  accents.addEventListener("click", () => {
    const pressed = accents.getAttribute("aria-pressed") !== "true";
    accents.setAttribute("aria-pressed", String(pressed));
    lay(pressed ? ACCENTS : letters);
  });
  space.addEventListener("click", () => put(" "));
  erase.addEventListener("click", () => {
    const before = [...field.value.slice(0, field.selectionStart)];
    const chosen = field.selectionStart < field.selectionEnd;
    put("", field.selectionStart - (chosen ? 0 : (before.at(-1)?.length ?? 0)));
  });
  // The field keeps the focus, and with it its caret.
  keys.addEventListener("mousedown", (event) => event.preventDefault());
  for (const event of ["input", "keyup", "click"]) field.addEventListener(event, look);
  accents.hidden = letters === CODE_KEYS;
  lay(letters);
  return keys;
}

// Lays letters below a field when a finger asks for it.
export function offerKeys(field, place, letters = text("keys")) {
  const offer = () => {
    if (!touching || !ROOM.matches || place.querySelector(".keys")) return;
    // No second keyboard, where the system has one.
    field.inputMode = "none";
    place.append(keysFor(field, letters));
  };
  for (const event of ["focus", "click"]) field.addEventListener(event, offer);
}
