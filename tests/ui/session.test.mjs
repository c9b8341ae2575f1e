import assert from "node:assert/strict";
import { test } from "node:test";
import { Session } from "../../ui/shared/session.js";

/** A server that knows one person and rotates refresh tokens as the real one does: a used one ends them all. */
function serverOf({ lifetime_s = 600 } = {}) {
  const server = { asked: [], number: 0, ended: false, away: false, answer: null };
  const tokens = () => {
    server.number += 1;
    return { access_token: `access${server.number}`, refresh_token: `refresh${server.number}`, expires_in_s: lifetime_s };
  };
  const refused = (status, code) => ({ status, ok: false, json: async () => ({ error: { code, message: code } }) });
  server.send = async (path, { body }) => {
    server.asked.push(path);
    await null;
    if (server.away) throw new TypeError("Failed to fetch");
    if (server.answer !== null) return refused(...server.answer);
    if (path === "/api/logout") return { status: 204, ok: true };
    if (path === "/api/refresh" && JSON.parse(body).refresh_token !== `refresh${server.number}`) server.ended = true;
    if (server.ended) return refused(401, "authentication_failed");
    const made = tokens();
    return { status: 200, ok: true, json: async () => made };
  };
  server.accept = (bearer) => ({ status: bearer === `access${server.number}` ? 200 : 401 });
  return server;
}

/** A browser's storage of one tab; `copy` is what a duplicated tab starts with. */
function storageOf(kept = new Map()) {
  return {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => kept.set(name, value),
    removeItem: (name) => kept.delete(name),
    copy: () => storageOf(new Map(kept)),
  };
}

/** Tabs that hear each other. */
function browser(server) {
  const channels = [];
  const clock = { now_ms: 0 };
  const open = (storage = storageOf()) => {
    const channel = {
      onmessage: null,
      postMessage: (data) => {
        for (const other of channels) if (other !== channel) other.onmessage({ data: structuredClone(data) });
      },
    };
    channels.push(channel);
    const tab = { storage, ended: 0 };
    const onEnded = () => (tab.ended += 1);
    tab.session = new Session({ storage, channel, onEnded, send: server.send, now_ms: () => clock.now_ms });
    return tab;
  };
  return { open, clock };
}

async function signedIn(options) {
  const server = serverOf(options);
  const { open, clock } = browser(server);
  const tab = open();
  await tab.session.signIn("ada@example.org", "correct horse");
  server.asked.length = 0;
  return { server, open, clock, tab, session: tab.session };
}

const codeOf = async (promise) => promise.then(() => "none", ({ code }) => code);

test("a token that is good is used as it is, one near its end is exchanged first", async () => {
  const { server, clock, session } = await signedIn();
  clock.now_ms = 569_000;
  assert.equal(await session.authorized(async (bearer) => bearer), "access1");
  clock.now_ms = 571_000;
  assert.equal(await session.authorized(async (bearer) => bearer), "access2");
  assert.deepEqual(server.asked, ["/api/refresh"]);
});

test("requests at the same time share one exchange", async () => {
  const { server, clock, session } = await signedIn();
  clock.now_ms = 700_000;
  const bearers = await Promise.all([1, 2, 3].map(() => session.authorized(async (bearer) => bearer)));
  assert.deepEqual(bearers, ["access2", "access2", "access2"]);
  assert.deepEqual([server.asked, server.ended], [["/api/refresh"], false]);
});

test("a refused request is repeated once with the next token, also when many are refused at once", async () => {
  const { server, session } = await signedIn();
  server.number = 1;
  const attempts = [];
  const attempt = async (bearer) => {
    attempts.push(bearer);
    return { status: bearer === "access2" ? 200 : 401 };
  };
  const answers = await Promise.all([session.authorized(attempt), session.authorized(attempt)]);
  assert.deepEqual(answers.map(({ status }) => status), [200, 200]);
  assert.deepEqual(attempts, ["access1", "access1", "access2", "access2"]);
  assert.deepEqual(server.asked, ["/api/refresh"]);
  const stubborn = await session.authorized(async () => ({ status: 401 }));
  assert.equal(stubborn.status, 401);
});

test("an API key is sent as it is and never exchanged", async () => {
  const { server, session } = await signedIn();
  session.useKey(" aura_1 ");
  const answer = await session.authorized(async (bearer) => ({ status: 401, bearer }));
  assert.deepEqual([answer.bearer, server.asked], ["aura_1", []]);
});

test("a duplicated tab goes on with the token that its twin was given", async () => {
  const { server, open, clock, tab } = await signedIn();
  const twin = open(tab.storage.copy());
  clock.now_ms = 700_000;
  await tab.session.authorized(async (bearer) => server.accept(bearer));
  assert.equal(await twin.session.authorized(async (bearer) => bearer), "access2");
  clock.now_ms = 1_400_000;
  await twin.session.authorized(async (bearer) => server.accept(bearer));
  assert.equal(await tab.session.authorized(async (bearer) => bearer), "access3");
  assert.deepEqual([server.asked.length, server.ended], [2, false]);
});

test("signing out ends the twin's sign-in too, but not that of somebody else", async () => {
  const { server, open, tab } = await signedIn();
  const twin = open(tab.storage.copy());
  const other = open();
  await other.session.signIn("bert@example.org", "correct horse");
  await tab.session.signOut();
  assert.deepEqual([tab.session.begun, twin.ended, other.ended], [false, 1, 0]);
  assert.equal(server.asked.at(-1), "/api/logout");
});

test("signing out works while the server is away", async () => {
  const { server, session } = await signedIn();
  server.away = true;
  await session.signOut();
  assert.equal(session.begun, false);
});

test("what ends a sign-in has its own words, and a server that is away ends none", async () => {
  const { server, clock, session } = await signedIn();
  clock.now_ms = 700_000;
  const request = () => codeOf(session.authorized(async () => ({ status: 200 })));
  server.away = true;
  assert.equal(await request(), "server_unreachable");
  server.away = false;
  server.answer = [403, "tenant_suspended"];
  assert.equal(await request(), "tenant_suspended");
  server.answer = null;
  assert.equal(await request(), "none");
  server.ended = true;
  clock.now_ms = 1_400_000;
  assert.equal(await request(), "sign_in_over");
  session.forget();
  assert.equal(await request(), "signed_out");
});

test("a wrong password, a void link and too many attempts are told apart", async () => {
  const { server, session } = await signedIn();
  server.answer = [401, "authentication_failed"];
  assert.equal(await codeOf(session.signIn("a@b", "x")), "wrong_password");
  assert.equal(await codeOf(session.useLink("secret", { password: "x" })), "link_void");
  server.answer = [429, "too_many_requests"];
  assert.equal(await codeOf(session.signIn("a@b", "x")), "too_many_requests");
  assert.equal(session.begun, true, "a failed attempt leaves the earlier sign-in");
});
