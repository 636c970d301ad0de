// Questions to the process that serves this page.

let token = "";

export function useToken(text) {
  token = text;
}

// The answer to one question; throws an Error whose message says what to do.
export async function ask(name, values = {}) {
  let response;
  try {
    response = await fetch(`api/${name}`, {
      method: "POST",
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
      body: JSON.stringify(values),
    });
  } catch {
    throw new Error("lvae explore has stopped; start it again and open the address that it prints");
  }
  const text = await response.text();
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new Error(`lvae explore: ${text.slice(0, 200)}`);
  }
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

// Asks one question at a time; of those that come meanwhile only the newest is asked.
export class Newest {
  constructor(name, answered, failed, rested) {
    Object.assign(this, { name, answered, failed, rested, waiting: null, busy: false });
  }

  async request(values) {
    this.waiting = values;
    if (this.busy) return;
    this.busy = true;
    while (this.waiting !== null) {
      const asked = this.waiting;
      this.waiting = null;
      try {
        await this.answered(await ask(this.name, asked), asked);
      } catch (error) {
        this.failed(error);
      }
    }
    this.busy = false;
    this.rested();
  }
}
