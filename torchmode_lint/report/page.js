
"use strict";
// Nothing below is needed to read the page: it keeps the place in a trail, and hides rules that are not wanted.
const bar = document.getElementById("bar");
const steps = [...document.querySelectorAll(".trail li")];
let current = null;

const trailOf = (step) => [...step.parentElement.children];

function mark(step) {
  document.querySelectorAll(".now").forEach((one) => one.classList.remove("now"));
  current = step;
  bar.hidden = step === null;
  if (step === null) return;
  step.classList.add("now");
  const link = step.querySelector("a");
  const line = link && document.getElementById(link.hash.slice(1));
  if (line) line.classList.add("now");
  document.querySelectorAll(`mark[data-in~="${step.dataset.step}"]`).forEach((one) => one.classList.add("now"));
}

function button(label, title, pressed) {
  const one = document.createElement("button");
  one.type = "button";
  one.textContent = label;
  one.title = title;
  if (pressed) one.addEventListener("click", pressed);
  else one.disabled = true;
  return one;
}

function show(step, focused) {
  mark(step);
  const trail = trailOf(step);
  const at = trail.indexOf(step);
  const diagnostic = step.closest(".diagnostic");
  const told = document.createElement("span");
  told.setAttribute("aria-live", "polite");
  told.textContent = `${diagnostic.dataset.code} · ${at + 1} of ${trail.length} · ${step.querySelector("span").textContent}`;
  const go = (to) => to && (() => follow(to));
  bar.replaceChildren(
    told,
    button("← back", "The step before (left arrow)", go(trail[at - 1])),
    button("next →", "The next step (right arrow)", go(trail[at + 1])),
    button("diagnostic", "Back to the diagnostic (Escape)", () => leave(diagnostic)),
  );
  if (focused) bar.querySelector(`button:nth-of-type(${focused})`).focus({ preventScroll: true });
}

function follow(step) {
  const pressed = [...bar.querySelectorAll("button")].indexOf(document.activeElement) + 1;
  const link = step.querySelector("a");
  if (link) location.hash = link.hash;
  show(step, pressed);
}

function leave(diagnostic) {
  mark(null);
  location.hash = diagnostic.id;
  diagnostic.querySelector(".trail a").focus({ preventScroll: true });
}

for (const step of steps) {
  const link = step.querySelector("a");
  if (link) link.addEventListener("click", () => show(step, 0));
}

document.addEventListener("keydown", (event) => {
  if (current === null || event.altKey || event.ctrlKey || event.metaKey) return;
  const trail = trailOf(current);
  const to = trail[trail.indexOf(current) + { ArrowLeft: -1, ArrowRight: 1 }[event.key]];
  if (to) {
    event.preventDefault();
    follow(to);
  } else if (event.key === "Escape") leave(current.closest(".diagnostic"));
});

// a link to a rule opens its page
const opened = () => {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
};
addEventListener("hashchange", opened);
opened();

for (const filters of document.querySelectorAll(".filters")) {
  filters.hidden = false;
  filters.addEventListener("click", ({ target }) => {
    const pressed = target.closest("button");
    if (!pressed) return;
    const on = pressed.getAttribute("aria-pressed") === "false";
    pressed.setAttribute("aria-pressed", on);
    for (const one of document.querySelectorAll(`[data-code="${pressed.value}"]`)) one.hidden = !on;
  });
}
