// What htmx does not do by itself: telling why something did not work, asking before what cannot be undone, and keeping a
// live log from growing without end.
"use strict";

document.addEventListener("htmx:configRequest", (event) => {
  const proof = document.querySelector('meta[name="form-proof"]');
  if (proof) event.detail.headers["x-form-proof"] = proof.content;
});

const tell = (words) => {
  const trouble = document.getElementById("trouble");
  if (!trouble) return;
  trouble.textContent = words;
  trouble.hidden = words === "";
};

document.addEventListener("htmx:beforeRequest", () => tell(""));

document.addEventListener("htmx:responseError", (event) => {
  const page = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html");
  const failure = page.querySelector("[data-failure]");
  tell(failure ? failure.textContent : "The host answered " + event.detail.xhr.status + ".");
});

document.addEventListener("htmx:sendError", () => tell("The host does not answer. Is it running?"));

document.addEventListener("submit", (event) => {
  const asks = event.submitter && event.submitter.dataset.confirm;
  if (asks && !window.confirm(asks)) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
}, true);
