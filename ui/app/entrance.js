// Before somebody is in: the sign-in form, a key instead, and the panel of the platform's owner.

import { LinkForm } from "./link_form.js";
import { whileBusy } from "./busy_form.js";

const byId = (id) => document.getElementById(id);

export class Entrance {
  /** `onEntered()` is called once the session has a credential. */
  constructor(session, onEntered) {
    this._onEntered = onEntered;
    this._say = (problem) => sayProblem(byId("entrance-problem"), problem);
    this._link = new LinkForm(session, { onProblem: this._say, onEntered });
    whileBusy(byId("sign-in"), () => this._signIn(session));
    byId("key-form").addEventListener("submit", (event) => {
      event.preventDefault();
      session.useKey(byId("key").value);
      byId("key").value = "";
      onEntered();
    });
  }

  /** The sign-in form, with the problem that led here or null; a key that was refused can be replaced at once. */
  askWho(problem) {
    this._show("sign-in", "with-key");
    byId("with-key").open = problem?.code === "authentication_failed";
    this._say(problem);
    byId("email").focus();
  }

  /** What a set-up link, an invitation or a reset needs. */
  askForLink(secret) {
    this._show("link-form");
    this._say(null);
    this._link.begin(secret);
  }

  /** The platform's owner has no documents to talk about. */
  showOwner() {
    this._show("owner");
    byId("owner-title").focus();
  }

  hide() {
    byId("entrance").hidden = true;
  }

  _show(...ids) {
    byId("entrance").hidden = false;
    for (const part of byId("entrance").children) part.hidden = !ids.includes(part.id);
  }

  async _signIn(session) {
    this._say(null);
    const password = byId("password");
    try {
      await session.signIn(byId("email").value, password.value);
    } catch (problem) {
      this._say(problem);
      password.select();
      return;
    }
    password.value = "";
    this._onEntered();
  }
}

function sayProblem(line, problem) {
  line.textContent = problem?.message ?? "";
  line.hidden = problem === null;
}
