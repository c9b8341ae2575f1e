// Server-sent events, read from text that arrives in pieces of any size.

export class ServerEvents {
  constructor() {
    this._rest = "";
  }

  /** Take a piece of text; returns the events that are complete: `{event, data}`, data parsed from JSON. */
  push(text) {
    const blocks = (this._rest + text).split("\n\n");
    this._rest = blocks.pop();
    return blocks.map(parse).filter((event) => event !== null);
  }
}

function parse(block) {
  let event = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) event = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
  }
  return data.length === 0 ? null : { event, data: JSON.parse(data.join("\n")) };
}
