// Greetings that a person reported as not theirs. They are hidden at once, and reported to the box as soon
// as it can be reached.

import { ask } from "./box.js";

const RETRY_MS = 2_000;
// Within this time the box ends the visit.
const FORGET_MS = 600_000;

// By customer id: issue time of the dismissed greeting, and true after the box confirmed it.
const dismissed = new Map();

async function report(customer) {
  const entry = dismissed.get(customer);
  if (!entry) return;
  try {
    await ask("not-me", { customer });
    entry.isReported = true;
  } catch {
    // The box or the display server cannot be reached, or does not show the customer at present.
    if (Date.now() - entry.at > FORGET_MS) dismissed.delete(customer);
    else setTimeout(() => report(customer), RETRY_MS);
  }
}

export function dismiss({ customer: { id }, issued }) {
  if (dismissed.has(id)) return;
  dismissed.set(id, { issued, at: Date.now(), isReported: false });
  dispatchEvent(new Event("look-again"));
  report(id);
}

// Returns the guests without those whose greeting was dismissed.
export function withoutDismissed(guests) {
  for (const [id, { issued, isReported }] of dismissed) {
    const guest = guests.find(({ customer }) => customer.id === id);
    const hasLeft = !guest && isReported;
    const hasReturned = guest?.event === "arrived" && guest.issued > issued;
    if (hasLeft || hasReturned) dismissed.delete(id);
  }
  return guests.filter(({ customer }) => !dismissed.has(customer.id));
}
