// Where the time of a turn went, folded away under the answer.

import { element } from "/shared/element.js";

const STAGES = {
  pause_detected: "Pause noticed",
  transcribed: "Words understood",
  retrieved: "Documents searched",
  first_text: "First words of the answer",
  first_audio_ready: "First sound ready",
  committed: "Your turn taken as over",
  first_audio: "First sound sent",
};

/** A table of stages and milliseconds, in the order they happened. */
export function timingDetails(timings) {
  const rows = Object.entries(timings).sort(([, first], [, second]) => first - second);
  return element(
    "details",
    { class: "timings" },
    element("summary", {}, "Timings"),
    element(
      "table",
      {},
      element("caption", {}, "Milliseconds after your last word, or after your typed question"),
      element("tbody", {}, ...rows.map(([stage, duration_ms]) => rowOf(STAGES[stage] ?? stage, duration_ms))),
    ),
  );
}

function rowOf(name, duration_ms) {
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, name),
    element("td", {}, `${Math.round(duration_ms)} ms`),
  );
}
