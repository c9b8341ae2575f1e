// The API key: it arrives in the address after `#key=`, which browsers never send to a server, and stays
// in this tab's session storage. It is not left in the address bar or the history.

const NAME = "aura.key";

/** Move a key from the address into session storage. Returns whether there was one. */
export function takeKeyFromAddress(page = window) {
  const key = new URLSearchParams(page.location.hash.slice(1)).get("key");
  if (!key) return false;
  rememberKey(key, page.sessionStorage);
  page.history.replaceState(null, "", page.location.pathname + page.location.search);
  return true;
}

export function rememberKey(key, storage = window.sessionStorage) {
  storage.setItem(NAME, key.trim());
}

export function forgetKey(storage = window.sessionStorage) {
  storage.removeItem(NAME);
}

/** The key, null while there is none. */
export function currentKey(storage = window.sessionStorage) {
  return storage.getItem(NAME);
}
