// Asks the box for what a customer wants done.

export class Refused extends Error {}

export async function ask(verb, fields = {}) {
  const response = await fetch("/ask", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ verb, ...fields }),
  });
  const answer = await response.json();
  if (!response.ok) throw new Refused(answer.error?.code ?? "internal");
  return answer;
}
