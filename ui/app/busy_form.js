// A form that takes one submission at a time and says so while it works.

export function whileBusy(form, work) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.getAttribute("aria-busy") === "true") return;
    form.setAttribute("aria-busy", "true");
    try {
      await work();
    } finally {
      form.removeAttribute("aria-busy");
    }
  });
}
