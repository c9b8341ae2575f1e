// The talk page: finds its elements, and wires them together.

import { rememberKey, forgetKey, currentKey, takeKeyFromAddress } from "/shared/key.js";
import { needsKey, Problem } from "/shared/problems.js";
import { Conversation } from "./conversation.js";
import { ConversationView } from "./conversation_view.js";
import { DocumentsPanel } from "./documents_panel.js";
import { EnginesPanel } from "./engines_panel.js";
import { showGreeting } from "./greeting.js";
import { listenForShortcuts } from "./shortcuts.js";
import { Talk } from "./talk.js";
import { TalkButton } from "./talk_button.js";

const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];
/** Messages that say how the server is, besides the turn at hand. */
const NEEDS_STATUS = ["model_missing", "model_damaged", "engine_unavailable"];

const byId = (id) => document.getElementById(id);
const field = byId("question");
const view = new ConversationView(byId("conversation"));
const conversation = new Conversation({
  onChange: (entry) => {
    byId("greeting").hidden = true;
    view.show(entry);
  },
  onRemove: (entry) => view.remove(entry),
});
const button = new TalkButton(byId("talk"), byId("state"), () => talk.press());
const talk = new Talk({
  conversation,
  onPhase: (phase) => button.show(phase),
  onLevel: (level) => button.level(level),
  onProblem: showProblem,
  onSpoken: (text) => {
    byId("announcement").textContent = text;
  },
});
const engines = new EnginesPanel(byId("engines-line"), byId("engines"), showProblem);
const documents = new DocumentsPanel({
  title: byId("documents-title"),
  list: byId("documents"),
  picker: byId("picker"),
  status: byId("upload-status"),
  onProblem: showProblem,
  onList: (listed) => showGreeting(byId("greeting-text"), byId("suggestions"), listed, (text) => talk.ask(text)),
});

function showProblem(problem) {
  const wantsKey = problem !== null && needsKey(problem);
  if (wantsKey) forgetKey();
  byId("problem").hidden = problem === null;
  byId("key-form").hidden = !wantsKey;
  byId("problem-text").textContent = problem?.message ?? "";
  if (problem !== null && NEEDS_STATUS.includes(problem.code)) engines.refresh();
}

function enter() {
  if (currentKey() === null) {
    showProblem(new Problem("key_missing"));
    return;
  }
  showProblem(null);
  engines.refresh();
  documents.refresh();
}

byId("place").textContent = LOOPBACK.includes(location.hostname)
  ? "On this machine only"
  : `On ${location.hostname} only`;

byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const question = field.value.trim();
  if (question === "") return;
  field.value = "";
  talk.ask(question);
});

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  rememberKey(byId("key").value);
  byId("key").value = "";
  enter();
});

byId("dismiss").addEventListener("click", () => showProblem(null));

listenForShortcuts({
  talk: () => talk.press(),
  stop: () => talk.stop(),
  focusField: () => field.focus(),
});

// A page that goes away says goodbye, so that its place is free at once.
window.addEventListener("pagehide", () => talk.stop());
window.addEventListener("hashchange", () => {
  if (takeKeyFromAddress()) enter();
});

takeKeyFromAddress();
button.show("idle");
enter();
