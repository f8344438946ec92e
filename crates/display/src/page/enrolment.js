// How an enrolment goes on.

import { byId, element } from "./dom.js";
import { text } from "./words.js";

const MOST_DOTS = 24;

function texts(event) {
  const plain = (key) => ({ step: text(key), hint: text(`${key}_hint`) });
  switch (event.event) {
    case "started":
    case "look_here":
      return { ...plain(event.event), note: text("consent_short") };
    case "captured":
      return { ...plain(event.count < event.of ? "captured" : "captured_all"), dots: event };
    case "done":
      return {
        ...plain("enrolled"),
        code: event.claim_code,
        receipt: event.receipt,
        note: text(event.resembles_another ? "resembles_note" : "enrolled_note"),
      };
    case "failed": {
      const known = event.reason === "already_enrolled";
      return {
        step: text(known ? "already_enrolled_title" : "failed"),
        hint: text(event.reason) || text("not_stored"),
        note: text(known ? "already_enrolled_note" : "failed_note"),
      };
    }
    case "offered":
    case "withdrawn":
      return plain(event.event);
    default:
      return {};
  }
}

function showDots(progress) {
  const dots = byId("dots");
  const of = Math.min(progress?.of ?? 0, MOST_DOTS);
  const dot = (_, index) => element("span", index < progress.count ? "full" : "");
  dots.replaceChildren(...Array.from({ length: of }, dot));
  if (of > 0) dots.setAttribute("aria-label", text("progress", { count: progress.count, of: progress.of }));
}

function showReceipt(receipt) {
  const place = byId("receipt");
  place.hidden = !receipt;
  const [picture, words] = place.children;
  if (receipt) {
    picture.src = `/receipt/${receipt}`;
    picture.alt = text("receipt_picture");
  } else {
    picture.removeAttribute("src");
  }
  words.textContent = receipt ? text("receipt", { code: receipt }) : "";
}

// Shows a step, or none; gives back what is worth saying aloud.
export function showEnrolment(event) {
  const { step = "", hint = "", code = "", note = "", dots, receipt } = event ? texts(event) : {};
  byId("step").textContent = step;
  byId("hint").textContent = hint;
  byId("code").textContent = code;
  byId("note").textContent = note;
  showDots(dots);
  showReceipt(receipt);
  if (event) document.body.dataset.step = event.event;
  else delete document.body.dataset.step;
  return [step, hint].join(" ").trim();
}
