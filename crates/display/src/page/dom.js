// The few ways in which the page makes elements. Text enters it by textContent alone.

export const byId = (id) => document.getElementById(id);

export function element(tag, name, content = "") {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.textContent = content;
  return made;
}

export function button(name, label, act) {
  const made = element("button", name, label);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}
