// The page: finds its elements, wires them together, and decides who sees what.

import { takeFromAddress } from "/shared/address.js";
import { Api } from "/shared/api.js";
import { asProblem, needsSignIn, Problem } from "/shared/problems.js";
import { Session } from "/shared/session.js";
import { accountLine } from "./account_line.js";
import { Conversation } from "./conversation.js";
import { ConversationView } from "./conversation_view.js";
import { DocumentsPanel } from "./documents_panel.js";
import { EnginesPanel } from "./engines_panel.js";
import { Entrance } from "./entrance.js";
import { showGreeting } from "./greeting.js";
import { listenForShortcuts } from "./shortcuts.js";
import { Talk } from "./talk.js";
import { TalkButton } from "./talk_button.js";

const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];
/** Messages that say how the server is, besides the turn at hand. */
const NEEDS_STATUS = ["model_missing", "model_damaged", "engine_unavailable"];
/** Why somebody was signed out, kept while the page begins anew. */
const FAREWELL = "aura.farewell";

const byId = (id) => document.getElementById(id);
const field = byId("question");
const session = new Session({
  storage: sessionStorage,
  channel: new BroadcastChannel("aura.session"),
  onEnded: () => leave(new Problem("sign_in_over")),
});
const api = new Api(session);
const entrance = new Entrance(session, () => enter());
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
  api,
  conversation,
  onPhase: (phase) => button.show(phase),
  onLevel: (level) => button.level(level),
  onProblem: showProblem,
  onSpoken: announce,
});
const engines = new EnginesPanel(api, byId("engines-line"), byId("engines"), showProblem);
const documents = new DocumentsPanel({
  api,
  title: byId("documents-title"),
  list: byId("documents"),
  picker: byId("picker"),
  status: byId("upload-status"),
  onProblem: showProblem,
  onList: (listed) =>
    showGreeting(byId("greeting-text"), byId("suggestions"), listed, {
      writable: documents.writable,
      onAsk: (text) => talk.ask(text),
    }),
});

function announce(text) {
  byId("announcement").textContent = text;
}

function showProblem(problem) {
  if (problem !== null && needsSignIn(problem)) {
    leave(problem);
    return;
  }
  byId("problem").hidden = problem === null;
  byId("problem-text").textContent = problem?.message ?? "";
  if (problem !== null && NEEDS_STATUS.includes(problem.code)) engines.refresh();
}

/** In with whatever credential there is: the owner to a panel, everybody else to the conversation. */
async function enter() {
  try {
    const account = await api.account();
    announce(`Signed in as ${accountLine(account)}`);
    byId("account-line").textContent = accountLine(account);
    if (account.tenant_id === null) entrance.showOwner();
    else showTalking(account.permissions);
  } catch (error) {
    const problem = asProblem(error);
    // Somebody who may not ask who they are may still talk; a server that is away is told about.
    if (!needsSignIn(problem)) showTalking(["talk"]);
    showProblem(problem);
  }
  byId("account").hidden = false;
}

function showTalking(permissions) {
  entrance.hide();
  for (const part of document.querySelectorAll(".talking")) part.hidden = false;
  byId("documents-panel").hidden = !permissions.includes("documents.read");
  documents.writable = permissions.includes("documents.write");
  byId("upload").hidden = !documents.writable;
  if (permissions.includes("status.read")) engines.refresh();
  if (permissions.includes("documents.read")) documents.refresh();
}

/** Out. The page begins anew, so that nothing said here is there for whoever signs in next. */
function leave(problem) {
  const ofPerson = problem?.code === "authentication_failed" && session.key === null;
  if (problem !== null) sessionStorage.setItem(FAREWELL, ofPerson ? "sign_in_over" : problem.code);
  session.forget();
  location.reload();
}

function begin() {
  const { key, link } = takeFromAddress();
  const farewell = sessionStorage.getItem(FAREWELL);
  sessionStorage.removeItem(FAREWELL);
  if (key !== null) session.useKey(key);
  if (link !== null) entrance.askForLink(link);
  else if (session.begun) enter();
  else entrance.askWho(farewell === null ? null : new Problem(farewell));
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

byId("sign-out").addEventListener("click", async () => {
  talk.stop();
  await session.signOut();
  leave(null);
});

byId("dismiss").addEventListener("click", () => showProblem(null));

const talking = (act) => () => byId("conversation").closest("[hidden]") === null && act();
listenForShortcuts({
  talk: talking(() => talk.press()),
  stop: talking(() => talk.stop()),
  focusField: talking(() => field.focus()),
});

// A page that goes away says goodbye, so that its place is free at once.
window.addEventListener("pagehide", () => talk.stop());
window.addEventListener("hashchange", () => {
  // A link that was pasted over this page brings somebody else.
  if (/[#&](key|link)=./.test(location.hash)) location.reload();
});

button.show("idle");
begin();
