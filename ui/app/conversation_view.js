// The conversation on the page: one article per turn.

import { element } from "/shared/element.js";
import { splitHeard } from "./conversation.js";
import { timingDetails } from "./timings.js";

const NEAR_END_PX = 160;

export class ConversationView {
  constructor(list) {
    this._list = list;
    this._articles = new Map();
    this._latest = null;
  }

  show(entry) {
    const follow = nearEnd();
    let article = this._articles.get(entry);
    if (article === undefined) {
      article = element("article", { class: "turn" });
      this._articles.set(entry, article);
      this._list.append(article);
      // Only the latest turn tells its times.
      this._articles.get(this._latest)?.querySelector("details")?.remove();
      this._latest = entry;
    }
    article.replaceChildren(...partsOf(entry, entry === this._latest));
    if (follow) window.scrollTo({ top: document.documentElement.scrollHeight });
  }

  remove(entry) {
    this._articles.get(entry)?.remove();
    this._articles.delete(entry);
  }
}

function nearEnd() {
  const { scrollHeight } = document.documentElement;
  return scrollHeight - window.scrollY - window.innerHeight < NEAR_END_PX;
}

function partsOf(entry, isLatest) {
  return [
    questionOf(entry),
    answerOf(entry),
    entry.problem === null ? null : element("p", { class: "problem" }, entry.problem.message),
    entry.answer && entry.citations.length > 0 ? citationsOf(entry.citations) : null,
    isLatest && entry.timings !== null && entry.finished ? timingDetails(entry.timings) : null,
  ].filter((part) => part !== null);
}

function questionOf({ question, stableCharacters }) {
  return element(
    "p",
    { class: "question" },
    element("span", { class: "visually-hidden" }, "You: "),
    question.slice(0, stableCharacters),
    element("span", { class: "unsure" }, question.slice(stableCharacters)),
  );
}

function answerOf({ answer, heard, cancelled, final, finished }) {
  if (!answer) {
    return final && !finished ? element("p", { class: "answer waiting" }, "Looking it up") : null;
  }
  const [spoken, unheard] = cancelled ? splitHeard(answer, heard) : [answer, ""];
  return element(
    "p",
    { class: "answer" },
    element("span", { class: "visually-hidden" }, "AURA: "),
    spoken,
    unheard ? element("span", { class: "unheard" }, unheard) : null,
    unheard ? element("span", { class: "badge" }, "not heard") : null,
  );
}

function citationsOf(citations) {
  return element("ul", { class: "citations", "aria-label": "Where this comes from" }, ...citations.map(cardOf));
}

function cardOf({ document: name, heading, page, quote }) {
  const place = [heading.replaceAll(" > ", " › "), page === null ? "" : `page ${page}`].filter(Boolean).join(", ");
  return element(
    "li",
    { class: "citation" },
    element("cite", {}, name),
    place ? element("span", { class: "place" }, place) : null,
    quote ? element("q", {}, quote) : null,
  );
}
