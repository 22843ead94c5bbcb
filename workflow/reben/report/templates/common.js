"use strict";
/* What the scripts of all pages use. */

/* A value that `reben.report.rows.pack` wrote into the page. */
const unpack = async (id) => {
  const text = atob(document.getElementById(id).textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
};

/* A new element with properties and content. */
const element = (name, properties = {}, ...content) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...content);
  return made;
};

const swatch = (colour) => {
  const made = element("i", { className: "swatch" });
  made.style.background = colour;
  return made;
};

/* Column or row as in the name of a patch. */
const digits = (number) => String(number).padStart(2, "0");

/* What stands behind # in the address as names and values; null where it is a section. */
const wanted = () =>
  location.hash.includes("=") ? new URLSearchParams(location.hash.slice(1)) : null;

/* Write it there, without a step in the history of the browser. */
const remember = (text) =>
  history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);

/* Buttons that copy: the text of another element, or their own. */
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const from = button.dataset.copyFrom;
  const text = from ? document.getElementById(from).textContent : button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = element("textarea", { value: text });
    (button.closest("dialog") ?? document.body).append(area);
    area.select();
    document.execCommand("copy"); // pages of a server without HTTPS have no clipboard
    area.remove();
    button.focus();
  }
  const label = (button.dataset.label ??= button.textContent);
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = label), 1500);
});
