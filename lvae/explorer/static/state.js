// The values of all controls and what is chosen for looking, kept in the page's address behind #.

const LOOKING = ["map", "layers", "picked", "strip"]; // not sent to the server, not undone

export class State extends EventTarget {
  constructor(controls) {
    super();
    this.controls = new Map(controls.map((control) => [control.name, control]));
    this.values = new Map(); // what differs from the defaults
    this.looking = new Map();
    this.earlier = []; // snapshots for undo
    this.read();
    this.settled = this.snapshot();
    addEventListener("hashchange", () => this.#takeAddress());
  }

  get(name) {
    return this.values.has(name) ? this.values.get(name) : this.controls.get(name).default;
  }

  // What the server is asked for.
  asked() {
    return Object.fromEntries(this.values);
  }

  // Sets values. A change that goes on, as of a slider that is held, is one step of undo.
  change(changes, settled = true) {
    for (const [name, value] of Object.entries(changes)) {
      if (value === this.controls.get(name).default) this.values.delete(name);
      else this.values.set(name, value);
    }
    if (settled) this.#settle();
    this.#tell();
  }

  look(name, value) {
    if (value) this.looking.set(name, value);
    else this.looking.delete(name);
    this.write();
  }

  undo() {
    if (!this.earlier.length) return;
    this.#restore(this.earlier.pop());
  }

  reset() {
    this.values.clear();
    this.#settle();
    this.#tell();
  }

  snapshot() {
    return JSON.stringify([...this.values].sort());
  }

  #settle() {
    const now = this.snapshot();
    if (now !== this.settled) this.earlier.push(this.settled);
    this.settled = now;
  }

  #restore(snapshot) {
    this.values = new Map(JSON.parse(snapshot));
    this.settled = snapshot;
    this.#tell();
  }

  #tell() {
    this.write();
    this.dispatchEvent(new Event("change"));
  }

  #takeAddress() {
    if (location.hash === this.written) return;
    this.read();
    this.#settle();
    this.#tell();
  }

  read() {
    const given = new URLSearchParams(location.hash.slice(1));
    this.values.clear();
    for (const [name, text] of given) {
      const control = this.controls.get(name);
      if (LOOKING.includes(name)) this.looking.set(name, text);
      if (!control) continue;
      const value = parsed(control.kind, text);
      if (value !== null && value !== control.default) this.values.set(name, value);
    }
    this.token = given.get("token") ?? "";
  }

  write() {
    const all = new URLSearchParams({ token: this.token });
    for (const [name, value] of [...this.values, ...this.looking]) all.set(name, value);
    this.written = `#${all}`;
    history.replaceState(null, "", this.written);
  }
}

function parsed(kind, text) {
  if (kind === "text") return text;
  if (kind === "switch") return text === "true";
  const number = text === "" ? NaN : Number(text);
  return Number.isFinite(number) ? number : null;
}
