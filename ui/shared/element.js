// Builds the page's elements. Text is always text: nothing that a document, a person or the server wrote is
// ever parsed as HTML.

/** `element("p", {class: "quote", hidden: true}, "text", otherElement)`; properties that are null are left out. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}
