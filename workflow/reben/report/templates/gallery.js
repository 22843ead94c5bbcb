"use strict";
(() => {
  const dialog = document.querySelector("dialog");
  if (!dialog) return;
  const items = [...document.querySelectorAll(".gallery > li")];
  const place = dialog.querySelector(".enlarged");
  const shown = () => items.filter((item) => !item.hidden);
  let current = null;

  const show = (item) => {
    current = item;
    const views = item.querySelector(".views").cloneNode(true);
    const about = item.querySelector(".about").cloneNode(true);
    place.replaceChildren(views, about);
    if (!dialog.open) dialog.showModal();
  };
  const go = (step) => {
    const list = shown();
    show(list[(list.indexOf(current) + step + list.length) % list.length]);
  };

  for (const item of items) item.querySelector(".card").addEventListener("click", () => show(item));
  for (const button of dialog.querySelectorAll("[data-go]"))
    button.addEventListener("click", () => go(Number(button.dataset.go)));
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") go(-1);
    if (event.key === "ArrowRight") go(1);
  });
  dialog.addEventListener("close", () => current.querySelector(".card").focus());

  const filter = document.querySelector(".filter");
  filter.hidden = false;
  filter.addEventListener("change", (event) => {
    for (const item of items)
      item.hidden = event.target.value !== "" && item.dataset.fate !== event.target.value;
  });
})();
