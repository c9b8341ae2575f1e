// Who does which job, in one line with the details folded away: `GET /voice/status`.

import { element } from "/shared/element.js";

const POLL_MS = 2000;
const SETTLED = ["loaded", "missing", "failed"];
const JOBS = {
  speech_to_text: "Hears",
  language_model: "Answers",
  text_to_speech: "Speaks",
  embedder: "Searches",
  voice_activity: "Notices speech",
  turn_detector: "Notices the end of a turn",
};
const LINE = ["speech_to_text", "language_model", "text_to_speech"];
const STATES = { loading: "loading", missing: "missing", failed: "not working" };

export class EnginesPanel {
  constructor(api, line, list, onProblem) {
    this._api = api;
    this._line = line;
    this._list = list;
    this._onProblem = onProblem;
    this._timer = null;
  }

  /** Show the state of all engines; asks again until none is loading. */
  async refresh() {
    clearTimeout(this._timer);
    try {
      const { engines, profile } = await this._api.voiceStatus();
      this._show(engines, profile);
      const settled = engines.every(({ state }) => SETTLED.includes(state));
      if (!settled) this._timer = setTimeout(() => this.refresh(), POLL_MS);
    } catch (problem) {
      this._onProblem(problem);
    }
  }

  _show(engines, profile) {
    const byJob = new Map(engines.map((engine) => [engine.job, engine]));
    const synthetic = engines.some((engine) => engine.synthetic);
    const parts = LINE.filter((job) => byJob.has(job)).map((job) => `${JOBS[job]}: ${nameOf(byJob.get(job))}`);
    this._line.textContent = parts.join(" · ");
    const order = Object.keys(JOBS).filter((job) => byJob.has(job));
    this._list.replaceChildren(
      synthetic ? syntheticWarning(profile) : "",
      element("dl", { class: "engines" }, ...order.flatMap((job) => rowOf(JOBS[job], byJob.get(job)))),
    );
  }
}

function nameOf({ model, engine, state, synthetic }) {
  const name = model || engine || "nothing yet";
  if (state !== "loaded") return `${name} (${STATES[state] ?? state})`;
  return synthetic && !name.includes("synthetic") ? `${name} (synthetic)` : name;
}

function syntheticWarning(profile) {
  const how = profile === "demo" ? "For people, start the server with" : "Better models come with";
  return element(
    "p",
    { class: "caution" },
    "The models marked synthetic were trained on machine speech. They are for tests and the demo, not for human voices. ",
    `${how} `,
    element("code", {}, profile === "demo" ? "aura serve --profile auto" : "aura doctor"),
  );
}

function rowOf(job, { engine, model, state, synthetic, note, message, command }) {
  const name = [model, engine && engine !== model ? `(${engine})` : ""].filter(Boolean).join(" ");
  const badges = [synthetic ? "synthetic" : "", STATES[state] ?? ""].filter(Boolean);
  return [
    element("dt", {}, job),
    element(
      "dd",
      {},
      element("strong", {}, name || "nothing yet"),
      ...badges.map((badge) => element("span", { class: "badge" }, badge)),
      note ? element("span", { class: "note" }, note) : null,
      message ? element("span", { class: "note problem" }, message) : null,
      command ? element("code", {}, command) : null,
    ),
  ];
}
