// What a link brings after `#`, which browsers never send to a server: `#key=` an API key, `#link=` the secret
// of a set-up link, an invitation or a reset.

/** Take it out of the address bar and the history. Returns `{key, link}`, each null where it is not there. */
export function takeFromAddress(page = window) {
  const given = new URLSearchParams(page.location.hash.slice(1));
  const taken = { key: given.get("key") || null, link: given.get("link") || null };
  if (taken.key !== null || taken.link !== null) {
    page.history.replaceState(null, "", page.location.pathname + page.location.search);
  }
  return taken;
}
