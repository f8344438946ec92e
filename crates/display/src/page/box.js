// Sends commands to the box.

export class Refused extends Error {}

async function post(path, body) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (response.ok) return response;
  // A proxy does not respond with JSON.
  const failure = await response.json().catch(() => ({}));
  throw new Refused(failure.error?.code ?? "internal");
}

export async function ask(verb, fields = {}) {
  return (await post("/ask", { verb, ...fields })).json();
}

// Tells the display server that a customer uses the page.
export const touch = (customer) => post("/touch", { customer });
