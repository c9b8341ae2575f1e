// Who is signed in, in one line: name, tenant, role.

const ROLES = { service: "API key", visitor: "visitor" };

/** `Ada · Riverside Museum · member`; parts that are unknown are left out. */
export function accountLine({ label, tenant, role }) {
  return [label, tenant, ROLES[role] ?? role].filter(Boolean).join(" · ");
}
