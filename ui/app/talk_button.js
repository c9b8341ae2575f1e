// The round button with its ring, and the line under it that says the same in words.

import { WORDS } from "./talk_state.js";

export class TalkButton {
  constructor(button, line, onPress) {
    this._button = button;
    this._line = line;
    button.addEventListener("click", onPress);
  }

  show(phase) {
    if (this._button.dataset.phase === phase) return;
    this._button.dataset.phase = phase;
    this._button.setAttribute("aria-label", WORDS[phase].button);
    this._button.title = `${WORDS[phase].button} (Space)`;
    this._line.textContent = WORDS[phase].state;
    if (phase === "idle") this.level(0);
  }

  /** How loud the microphone is, 0..1; the ring grows with it. */
  level(loudness) {
    this._button.style.setProperty("--level", loudness.toFixed(2));
  }
}
