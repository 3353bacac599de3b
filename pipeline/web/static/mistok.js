// What is on the page is brought up to date every few seconds, and never under somebody's hands.
(() => {
  "use strict";
  const busy = (part) =>
    document.hidden || part.contains(document.activeElement) || !getSelection().isCollapsed || part.querySelector("details[open]");
  const isLive = (part) => part instanceof Element && part.hasAttribute("data-live");
  const enliven = (part) => {
    part.setAttribute("hx-get", location.href);
    part.setAttribute("hx-select", "#" + part.id);
    part.setAttribute("hx-swap", "outerHTML");
    part.setAttribute("hx-trigger", "every " + part.dataset.live + "s");
  };
  document.querySelectorAll("[data-live]").forEach(enliven); // before htmx looks at the page
  // it is the page that asks, and not somebody who uses it: the session may run out
  document.addEventListener("htmx:configRequest", (event) => {
    if (isLive(event.detail.elt)) event.detail.headers["Mistok-Live"] = "1";
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (isLive(event.detail.elt) && busy(event.detail.elt)) event.preventDefault();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (isLive(event.detail.target) && busy(event.detail.target)) event.detail.shouldSwap = false;
  });
  document.addEventListener("htmx:load", (event) => {
    const part = event.detail.elt;
    if (!isLive(part) || part.hasAttribute("hx-get")) return;
    enliven(part);
    htmx.process(part);
  });
  // one press is one act
  document.addEventListener("submit", (event) => {
    for (const button of event.target.querySelectorAll("button[type=submit]")) setTimeout(() => (button.disabled = true), 0);
  });
  addEventListener("pageshow", () => {
    for (const button of document.querySelectorAll("button[disabled][type=submit]")) button.disabled = false;
  });
})();
