// The documents that answers come from: list and, for those who may, upload and delete.

import { element } from "/shared/element.js";
import { asProblem } from "/shared/problems.js";

const POLL_MS = 1000;
/** A second press on "Delete" within this time means it. */
const CONFIRM_MS = 5000;
const STATES = {
  received: "waiting to be read",
  parsing: "being read",
  embedding: "being read",
  indexed: "ready",
  failed: "could not be read",
};

export class DocumentsPanel {
  constructor({ api, title, list, picker, status, onProblem, onList }) {
    this._api = api;
    this._parts = { title, list, status };
    this._onProblem = onProblem;
    this._onList = onList;
    this._timer = null;
    /** Whether documents may be added and deleted; the server asks again. */
    this.writable = false;
    picker.addEventListener("change", async () => {
      const files = [...picker.files];
      picker.value = "";
      for (const file of files) await this._upload(file);
    });
  }

  /** Show the list as it is now; asks again while a document is being read. */
  async refresh() {
    clearTimeout(this._timer);
    try {
      const documents = await this._api.listDocuments();
      this._show(documents);
      this._onList(documents);
      const unfinished = documents.some(({ status }) => status !== "indexed" && status !== "failed");
      if (unfinished) this._timer = setTimeout(() => this.refresh(), POLL_MS);
    } catch (problem) {
      this._onProblem(problem);
    }
  }

  async _upload(file) {
    const { status } = this._parts;
    const say = (share) => {
      status.textContent = `Uploading ${file.name}: ${Math.round(share * 100)} %`;
    };
    say(0);
    try {
      const { name } = await this._api.uploadDocument(file, say);
      status.textContent = `${name} has arrived.`;
    } catch (error) {
      status.textContent = `${file.name}: ${asProblem(error).message}`;
    }
    await this.refresh();
  }

  async _delete({ id, name }) {
    try {
      await this._api.deleteDocument(id);
      this._parts.status.textContent = `${name} was deleted.`;
    } catch (error) {
      this._parts.status.textContent = `${name}: ${asProblem(error).message}`;
    }
    await this.refresh();
  }

  _show(documents) {
    const { title, list } = this._parts;
    title.textContent = documents.length === 1 ? "1 document" : `${documents.length} documents`;
    const next = this.writable ? "Add one, and I can answer from it." : "Somebody who looks after them has to add one.";
    const empty = element("p", { class: "muted" }, `No documents yet. ${next}`);
    const rows = documents.map((document) => this._row(document));
    list.replaceChildren(rows.length > 0 ? element("ul", { class: "documents" }, ...rows) : empty);
  }

  _row(document) {
    const { name, size_bytes: bytes, status, reason, passage_count: passages } = document;
    const facts = [sizeOf(bytes), STATES[status] ?? status];
    if (status === "indexed" && passages !== null) facts.push(`${passages} passages`);
    return element(
      "li",
      { "data-status": status },
      element(
        "div",
        {},
        element("span", { class: "name" }, name),
        element("span", { class: "muted" }, facts.join(" · ")),
        reason ? element("span", { class: status === "failed" ? "problem" : "muted" }, reason) : null,
      ),
      this.writable ? this._deleteButton(document) : null,
    );
  }

  _deleteButton(document) {
    const button = element("button", { class: "quiet", type: "button", "aria-label": `Delete ${document.name}` }, "Delete");
    let sure = false;
    button.addEventListener("click", () => {
      if (sure) {
        button.disabled = true;
        this._delete(document);
        return;
      }
      sure = true;
      button.textContent = "Delete for good";
      button.setAttribute("aria-label", `Delete ${document.name} for good`);
      setTimeout(() => {
        sure = false;
        button.textContent = "Delete";
        button.setAttribute("aria-label", `Delete ${document.name}`);
      }, CONFIRM_MS);
    });
    return button;
  }
}

/** A size as people write it: `4 kB`, `2.1 MB`. */
export function sizeOf(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${Math.round(bytes / 1000)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
