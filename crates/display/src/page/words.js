// The language of the page: chosen by a customer, else the shop's, else the browser's.

let words = {};
let language = "en";
let known = [];

export const locale = () => language;

// A text by its key, with {names} filled in. Where a text differs by number, its key has an ending
// as CLDR names them: `key_one`, `key_few`, `key_other`.
export function text(key, values = {}) {
  const number = Object.values(values).find((value) => typeof value === "number");
  const form = number === undefined ? undefined : new Intl.PluralRules(language).select(number);
  const found = words[`${key}_${form}`] ?? words[`${key}_other`] ?? words[key] ?? "";
  return found.replace(/\{(\w+)\}/g, (all, name) => {
    const value = values[name];
    return typeof value === "number" ? new Intl.NumberFormat(language).format(value) : (value ?? all);
  });
}

// The language of a tag without its region, such as de of de-AT.
const base = (tag) => tag.toLowerCase().split("-")[0];

// The first language wanted that there is: exactly, or but for its region.
function best(wanted) {
  const tags = known.map(({ tag }) => tag);
  for (const tag of wanted) {
    const near = tags.find((have) => have.toLowerCase() === tag.toLowerCase())
      ?? tags.find((have) => base(have) === base(tag));
    if (near) return near;
  }
  return "en";
}

async function load(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: status ${response.status}`);
  return response.json();
}

export async function speak(wanted) {
  if (known.length === 0) known = await load("/languages");
  const tag = best(wanted);
  const loaded = await load(`/languages/${tag}`);
  [words, language] = [loaded, tag];
  // A region, the shop's or the browser's, decides how dates and amounts are written.
  const isRegional = (have) => have.includes("-") && base(have) === base(tag);
  language = tag.includes("-") ? tag : (wanted.find(isRegional) ?? tag);
  document.documentElement.lang = tag;
  document.documentElement.dir = words.direction;
  for (const place of document.querySelectorAll("[data-text]")) {
    place.textContent = text(place.dataset.text);
  }
  return { tag, known };
}
