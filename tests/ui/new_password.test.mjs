import assert from "node:assert/strict";
import { test } from "node:test";
import { accountLine } from "../../ui/app/account_line.js";
import { passwordProblem } from "../../ui/app/new_password.js";

test("a password has 12 to 128 characters, counted as people do, and is written twice", () => {
  assert.match(passwordProblem("elevenchars", "elevenchars"), /12 to 128/);
  assert.equal(passwordProblem("twelve chars", "twelve chars"), null);
  assert.match(passwordProblem("twelve chars", "twelve Chars"), /not the same/);
  // Six letters, though twelve units of UTF-16; and accents typed apart are one letter each.
  assert.match(passwordProblem("🦊".repeat(6), "🦊".repeat(6)), /12 to 128/);
  assert.match(passwordProblem("e\u0301".repeat(6), "e\u0301".repeat(6)), /12 to 128/);
  assert.match(passwordProblem("x".repeat(129), "x".repeat(129)), /12 to 128/);
});

test("who is signed in is one line without gaps", () => {
  assert.equal(accountLine({ label: "Ada", tenant: "Museum", role: "member" }), "Ada · Museum · member");
  assert.equal(accountLine({ label: "Olga", tenant: null, role: "owner" }), "Olga · owner");
  assert.equal(accountLine({ label: "", tenant: "Museum", role: "service" }), "Museum · API key");
});
