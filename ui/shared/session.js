// Who this tab is signed in as: an API key, or a person's access token (10 minutes) and refresh token.
//
// A refresh token works once, and using it twice ends the sign-in. So one exchange runs at a time; and because
// a duplicated tab starts with a copy of the same token, whoever exchanges it tells the other tabs of this
// browser, and those that hold the used one take over its successor. Two tabs that exchange in the same
// moment, or one that slept through the news, end up at the sign-in form.

import { asProblem, Problem, serverProblem } from "./problems.js";

const KEY = "aura.key";
const TOKENS = "aura.tokens";
/** An access token this near its end is replaced before it is used: requests take time, clocks differ. */
const MARGIN_MS = 30_000;

export class Session {
  /**
   * `onEnded()` is called when another tab has signed out. `storage` is the tab's own, `channel` a
   * BroadcastChannel, `send` is fetch; the browser's, replaced in tests.
   */
  constructor({ storage, channel, onEnded, send = (...request) => fetch(...request), now_ms = Date.now }) {
    this._storage = storage;
    this._channel = channel;
    this._send = send;
    this._now_ms = now_ms;
    this._exchanging = null;
    channel.onmessage = ({ data: { used, tokens } }) => {
      if (used !== this._tokens?.refresh) return;
      if (tokens === null) onEnded();
      else this._keep(tokens);
    };
  }

  /** Whether there is a credential at all; whether it is good, only the server knows. */
  get begun() {
    return this.key !== null || this._tokens !== null;
  }

  /** The API key, null for a person and for nobody. */
  get key() {
    return this._storage.getItem(KEY);
  }

  useKey(key) {
    this.forget();
    this._storage.setItem(KEY, key.trim());
  }

  /** Sign in. Throws `wrong_password`, and what else the server says. */
  async signIn(email, password) {
    await this._begin("/api/login", { email, password }, "wrong_password");
  }

  /** Use a link; `answers` are `password` and, where they are asked for, `name` and `email`. Throws `link_void`. */
  async useLink(secret, answers) {
    await this._begin("/api/links", { secret, ...answers }, "link_void");
  }

  /** End the sign-in here, on the server, and in tabs that share it. */
  async signOut() {
    await this._exchanging?.catch(() => {});
    const refresh = this._tokens?.refresh;
    this.forget();
    if (refresh === undefined) return;
    this._channel.postMessage({ used: refresh, tokens: null });
    // The server may be gone; this tab has forgotten its tokens in any case.
    await this._post("/api/logout", { refresh_token: refresh }).catch(() => {});
  }

  forget() {
    this._storage.removeItem(KEY);
    this._storage.removeItem(TOKENS);
  }

  /**
   * Carry out `attempt(bearer)`, which resolves to an answer with a `status`; after a 401 once more with the
   * next access token. Throws `signed_out` and `sign_in_over`.
   */
  async authorized(attempt) {
    if (this.key !== null) return attempt(this.key);
    const bearer = await this._fresh(({ expiresAt_ms }) => expiresAt_ms - MARGIN_MS > this._now_ms());
    const answer = await attempt(bearer);
    if (answer.status !== 401) return answer;
    return attempt(await this._fresh(({ access }) => access !== bearer));
  }

  /** An access token that is `good`, exchanged for if the one at hand is not. */
  async _fresh(good) {
    if (this._tokens === null) throw new Problem("signed_out");
    if (!good(this._tokens)) {
      this._exchanging ??= this._exchange().finally(() => {
        this._exchanging = null;
      });
      await this._exchanging;
    }
    if (this._tokens === null) throw new Problem("signed_out");
    return this._tokens.access;
  }

  async _exchange() {
    const used = this._tokens.refresh;
    try {
      const tokens = this._dated(await this._post("/api/refresh", { refresh_token: used }));
      this._keep(tokens);
      this._channel.postMessage({ used, tokens });
    } catch (problem) {
      throw problem.code === "authentication_failed" ? new Problem("sign_in_over") : problem;
    }
  }

  async _begin(path, body, refused) {
    try {
      const tokens = this._dated(await this._post(path, body));
      this.forget();
      this._keep(tokens);
    } catch (problem) {
      throw problem.code === "authentication_failed" ? new Problem(refused) : problem;
    }
  }

  get _tokens() {
    return JSON.parse(this._storage.getItem(TOKENS));
  }

  _keep(tokens) {
    this._storage.setItem(TOKENS, JSON.stringify(tokens));
  }

  _dated({ access_token: access, refresh_token: refresh, expires_in_s: lifetime_s }) {
    return { access, refresh, expiresAt_ms: this._now_ms() + 1000 * lifetime_s };
  }

  /** What the server answers, null where that is nothing. */
  async _post(path, body) {
    const headers = { "content-type": "application/json" };
    const answer = await this._send(path, { method: "POST", headers, body: JSON.stringify(body) }).catch((error) => {
      throw asProblem(error);
    });
    if (answer.ok) return answer.status === 204 ? null : answer.json();
    const { error } = await answer.json().catch(() => ({ error: { code: "internal_error" } }));
    throw serverProblem(error);
  }
}
