// What a first visitor sees: one sentence on what can be answered, and three questions to tap.

import { element } from "/shared/element.js";

const SUGGESTIONS = 3;

export function showGreeting(text, list, documents, { writable, onAsk }) {
  const topics = documents.filter(({ status }) => status === "indexed").map(({ name }) => topicOf(name));
  if (topics.length === 0) {
    const next = writable ? " Add one under “Documents” above." : "";
    text.textContent = `I answer from documents, and there are none yet.${next}`;
    list.replaceChildren();
    return;
  }
  text.textContent = `Ask me aloud or in writing. I answer from ${topics.length === 1 ? "one document" : `${topics.length} documents`} and show you where it stands.`;
  list.replaceChildren(
    ...spread(topics, SUGGESTIONS).map((topic) => {
      const question = `What can you tell me about ${topic}?`;
      return element("li", {}, element("button", { class: "suggestion", type: "button", onclick: () => onAsk(question) }, question));
    }),
  );
}

/** `opening_hours.md` is about opening hours. */
export function topicOf(name) {
  return name.replace(/\.[^.]+$/, "").replace(/[_-]+/g, " ").trim().toLowerCase();
}

/** `count` items from all over a list, in its order. */
function spread(items, count) {
  if (items.length <= count) return items;
  return Array.from({ length: count }, (_, index) => items[Math.floor(((index + 0.5) * items.length) / count)]);
}
