// The keyboard: Space talks or interrupts, Escape stops, slash goes to the field.

const TYPING = "input, textarea, select, [contenteditable]";
const PRESSABLE = "button, summary, a[href], label";

export function listenForShortcuts({ talk, stop, focusField }) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    const typing = event.target.closest?.(TYPING) !== null;
    if (event.key === "Escape") {
      if (typing) event.target.blur();
      stop();
    } else if (event.key === "/" && !typing) {
      event.preventDefault();
      focusField();
    } else if (event.key === " " && !typing && event.target.closest?.(PRESSABLE) === null) {
      // On a button Space presses that button, as everywhere.
      event.preventDefault();
      if (!event.repeat) talk();
    }
  });
}
