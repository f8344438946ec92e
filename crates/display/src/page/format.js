// Money, dates and quantities, as the reader's language writes them.

import { locale, text } from "./words.js";

// Number of decimals by currency, as ISO 4217 defines it. Browsers have fewer for some currencies.
let exponents = {};

export async function loadCurrencies() {
  const response = await fetch("/currencies");
  if (!response.ok) throw new Error(`/currencies: status ${response.status}`);
  exponents = await response.json();
}

export function money(minor, currency) {
  const digits = exponents[currency];
  const style = { style: "currency", currency, minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(locale(), style).format(minor / 10 ** digits);
}

// An order's time is RFC 3339, perhaps with its zone behind: 2026-03-29T09:15:00+02:00[Europe/Berlin]
export function orderDate(placed) {
  const [, time, offset, zone] = /^(.*?(Z|[+-]\d\d:\d\d))(?:\[([^\]]*)\])?$/.exec(placed) ?? [];
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return "";
  const style = { weekday: "long", day: "numeric", month: "long" };
  if (date.getFullYear() !== new Date().getFullYear()) style.year = "numeric";
  for (const timeZone of [zone, offset === "Z" ? "UTC" : offset]) {
    if (!timeZone) continue;
    try {
      return new Intl.DateTimeFormat(locale(), { ...style, timeZone }).format(date);
    } catch (error) {
      // A zone that this browser does not know: the next best one will do.
      if (!(error instanceof RangeError)) throw error;
    }
  }
  return new Intl.DateTimeFormat(locale(), style).format(date);
}

const UNITS = { kg: "kilogram", g: "gram", l: "liter", ml: "milliliter", m: "meter" };

export function quantity(amount, unit) {
  const style = UNITS[unit] ? { style: "unit", unit: UNITS[unit], unitDisplay: "short" } : {};
  return new Intl.NumberFormat(locale(), { ...style, maximumFractionDigits: 3 }).format(amount);
}

// A name in a script of another direction keeps together.
const isolated = (name) => `\u2068${name}\u2069`;

export function product({ name, quantity: amount, unit }) {
  if (UNITS[unit]) return `${isolated(name)}, ${isolated(quantity(amount, unit))}`;
  return amount === 1 ? name : `${quantity(amount)} × ${isolated(name)}`;
}

// The amount of a line, rounded half away from zero as tills do. An amount has at most 12 digits and
// 3 decimals; 15 digits remove the rounding error of the product.
export function lineAmount({ quantity: amount, unit_price }) {
  const exact = Number((amount * unit_price).toPrecision(15));
  return Math.sign(exact) * Math.round(Math.abs(exact));
}

const days = (count) =>
  new Intl.NumberFormat(locale(), { style: "unit", unit: "day", unitDisplay: "long" }).format(count);

const ago = (count) =>
  new Intl.RelativeTimeFormat(locale(), { numeric: "auto" }).format(-count, "day");

// Why a product is shown: from the facts, or in the box's words where it knows newer facts.
export function reason({ why, reason: english }) {
  const facts = { ...why };
  if ("every_days" in facts) facts.every = days(facts.every_days);
  const since = facts.since_days ?? facts.days_ago;
  if (since !== undefined) facts.ago = ago(since);
  return text(`why_${why.kind}`, facts) || english;
}

export function clock(now) {
  const style = { hour: "2-digit", minute: "2-digit" };
  const parts = new Intl.DateTimeFormat(locale(), style).formatToParts(now);
  // Whoever reads it knows whether it is morning.
  return parts.filter(({ type }) => type !== "dayPeriod").map(({ value }) => value).join("").trim();
}

export function today(now) {
  const style = { weekday: "long", day: "numeric", month: "long" };
  return new Intl.DateTimeFormat(locale(), style).format(now);
}
