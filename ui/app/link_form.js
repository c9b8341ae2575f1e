// Choosing a password with a set-up link, an invitation or a reset. Which of them it is only the server knows:
// a reset needs no more than the password, an invitation a name as well, set-up an e-mail address besides. So
// the password is asked for first, and then what the server still wants.

import { Problem } from "/shared/problems.js";
import { whileBusy } from "./busy_form.js";
import { passwordProblem } from "./new_password.js";

const FURTHER = [
  { name: "name", words: "Now your name, as others are to see it." },
  { name: "email", words: "And the e-mail address to sign in with." },
];

const byId = (id) => document.getElementById(id);

export class LinkForm {
  /** `onProblem(problem | null)` tells what is wrong, `onEntered()` that the link has signed in. */
  constructor(session, { onProblem, onEntered }) {
    this._session = session;
    this._onProblem = onProblem;
    this._onEntered = onEntered;
    this._secret = null;
    whileBusy(byId("link-form"), () => this._submit());
  }

  begin(secret) {
    this._secret = secret;
    byId("link-form").reset();
    byId("link-next").textContent = "";
    for (const { name } of FURTHER) hideField(name, true);
    byId("new-password").focus();
  }

  async _submit() {
    this._onProblem(null);
    const password = byId("new-password").value;
    const wrong = passwordProblem(password, byId("new-password-again").value);
    if (wrong !== null) {
      this._onProblem(new Problem("bad_password", wrong));
      byId("new-password").focus();
      return;
    }
    const given = FURTHER.map(({ name }) => byId(`new-${name}`)).filter((field) => !field.disabled);
    const answers = Object.fromEntries(given.map((field) => [field.name, field.value]));
    try {
      await this._session.useLink(this._secret, { password, ...answers });
    } catch (problem) {
      this._askFurther(problem);
      return;
    }
    this._secret = null;
    byId("link-form").reset();
    this._onEntered();
  }

  /** The password is long enough, so what the server finds wrong is what it has not been told. */
  _askFurther(problem) {
    const next = FURTHER.find(({ name }) => byId(`new-${name}`).disabled);
    if (problem.code !== "invalid_request" || next === undefined) {
      this._onProblem(problem);
      return;
    }
    hideField(next.name, false);
    byId("link-next").textContent = next.words;
    byId(`new-${next.name}`).focus();
  }
}

/** A disabled field is not required, and is not sent. */
function hideField(name, hidden) {
  byId(`ask-${name}`).hidden = hidden;
  byId(`new-${name}`).disabled = hidden;
}
