/* The grid of a tile, and the page of each of its patches. */
(async () => {
  const grid = document.querySelector(".grid");
  const dialog = document.querySelector("dialog");
  if (!dialog) return;
  const data = await unpack("rows");
  const name = (row) => `${data.tile}_${digits(column(row))}_${digits(line(row))}`;
  const column = (row) => Math.floor(data.place[row] / data.side);
  const line = (row) => data.place[row] % data.side;
  const rowAt = new Map(data.place.map((place, row) => [place, row]));
  const cards = new Map(
    [...document.querySelectorAll(".gallery > li")].map((card) => [card.dataset.patch, card]),
  );
  const STRIPE = "#ffffff"; // between the stripes of what the legend does not have
  let current = null;

  /* Shares of a patch by class: [name, colours, share, labelled], most first. */
  const shares = (row) => {
    const pixels = data.shares[row].filter((_, at) => at % 2).reduce((sum, one) => sum + one, 0);
    const classes = new Map();
    for (let at = 0; at < data.shares[row].length; at += 2) {
      const [title, colours, label] = data.codes[data.shares[row][at]];
      const found = classes.get(label ?? title) ?? { colours: [], share: 0, labelled: !!label };
      found.colours.push(...colours);
      found.share += data.shares[row][at + 1] / pixels;
      classes.set(label ?? title, found);
    }
    return [...classes].sort(([, a], [, b]) => b.share - a.share);
  };
  const percent = (share) =>
    share < 0.001 ? "< 0.1%" : share > 0.999 && share < 1 ? "> 99.9%" : `${(100 * share).toFixed(1)}%`;

  /* Longitude and latitude of a place of the tile, in patches from its corner. */
  const lonLat = (x, y) => {
    const count = Math.sqrt(data.lon_lat.length) - 1;
    const [a, b] = [(x / data.side) * count, (y / data.side) * count];
    const [i, j] = [Math.min(count - 1, Math.floor(a)), Math.min(count - 1, Math.floor(b))];
    const corner = (di, dj) => data.lon_lat[(j + dj) * (count + 1) + i + di];
    const mix = (axis) => {
      const upper = corner(0, 0)[axis] * (1 - a + i) + corner(1, 0)[axis] * (a - i);
      const lower = corner(0, 1)[axis] * (1 - a + i) + corner(1, 1)[axis] * (a - i);
      return upper * (1 - b + j) + lower * (b - j);
    };
    const lon = mix(0);
    return [lon > 180 ? lon - 360 : lon < -180 ? lon + 360 : lon, mix(1)];
  };

  /* Dim everything on the reference map that has none of the colours; all is shown without any. */
  const highlight = (colours) => {
    const view = dialog.querySelector(".view.of-land-cover");
    view?.querySelector("canvas")?.remove();
    if (!view || !colours) return;
    const image = view.querySelector("img");
    const canvas = element("canvas", { width: image.naturalWidth, height: image.naturalHeight });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
    const kept = new Set(colours.map((colour) => parseInt(colour.slice(1), 16)));
    for (let at = 0; at < pixels.data.length; at += 4) {
      const [red, green, blue] = pixels.data.subarray(at, at + 3);
      const isKept = kept.has((red << 16) | (green << 8) | blue);
      pixels.data.set(isKept ? [0, 0, 0, 0] : [128, 128, 128, 215], at);
    }
    context.putImageData(pixels, 0, 0);
    view.append(canvas);
  };

  const copied = (text) =>
    element("p", { className: "name" }, text, " ", copyButton(text, "Copy"));
  const copyButton = (text, label) => {
    const button = element("button", { type: "button", className: "copy" }, label);
    button.dataset.copy = text;
    return button;
  };
  const fact = (title, ...content) =>
    element("div", {}, element("dt", {}, title), element("dd", {}, ...content));

  const show = (row) => {
    current = row;
    const [col, at] = [column(row), line(row)];
    const [fate, colour] = data.fates[data.fate[row]];
    const id = name(row);
    remember(`patch=${id}`);
    const title = dialog.querySelector("h2");
    title.replaceChildren(`${data.tile.slice(-5)} ${digits(col)}_${digits(at)} `);
    title.append(element("span", { className: "fate" }, swatch(colour), ` ${fate}`));
    const card = cards.get(id);
    const views = dialog.querySelector(".views");
    views.replaceChildren(...(card ? [...card.querySelectorAll(".view")].map((v) => v.cloneNode(true)) : []));
    const missing = dialog.querySelector(".no-pictures");
    missing.hidden = !!card;
    missing.querySelector("code").textContent =
      `reben show ${id} --results RESULTS --out patch.png`;

    const legend = dialog.querySelector(".shares");
    const entries = shares(row).map(([title, { colours, share, labelled }]) => {
      const swatches = element("span", { className: "swatches" }, ...colours.filter((one, at) => !at || one !== STRIPE).map(swatch));
      const words = labelled ? title : `${title} (unlabelled)`;
      const entry = element("li", { tabIndex: card ? 0 : -1 }, swatches, element("span", {}, words), element("b", {}, percent(share)));
      entry.classList.toggle("faint", !labelled);
      for (const event of ["pointerenter", "focus"])
        entry.addEventListener(event, () => highlight(colours));
      for (const event of ["pointerleave", "blur"]) entry.addEventListener(event, () => highlight());
      return entry;
    });
    legend.replaceChildren(...entries);
    dialog.querySelector(".no-shares").hidden = entries.length > 0;

    const [lon, lat] = lonLat(col + 0.5, at + 0.5);
    const [x, y] = [
      data.corner[0] + (col + 0.5) * data.side_m,
      data.corner[1] - (at + 0.5) * data.side_m,
    ];
    const where = `${lat.toFixed(4)}, ${lon.toFixed(4)}`;
    const link = element(
      "a",
      {
        href: `https://www.openstreetmap.org/?mlat=${lat.toFixed(5)}&mlon=${lon.toFixed(5)}#map=14/${lat.toFixed(5)}/${lon.toFixed(5)}`,
        rel: "noreferrer",
      },
      "OpenStreetMap",
    );
    const kinds = ["cloud", "shadow", "snow"];
    const scene = data.scene[row].every((one) => one !== null)
      ? kinds.map((kind, at) => `${data.scene[row][at]}% ${kind}`).join(", ")
      : "";
    const country = data.countries[data.country[row]];
    dialog.querySelector(".facts-of-patch").replaceChildren(
      fact("sensed", data.day),
      fact("centre", `${where} (latitude, longitude) `, link),
      fact("in its zone", `${x} E ${y} N, EPSG:${data.epsg}`),
      ...(country ? [fact("country", country)] : []),
      ...(scene ? [fact("scene", scene)] : []),
      ...(data.dim[row] ? [fact("counts as", "with snow, cloud or shadow")] : []),
    );
    dialog
      .querySelector(".names")
      .replaceChildren(copied(id), ...(data.s1[row] ? [copied(data.s1[row])] : []));
    dialog.querySelector("[data-link]").dataset.copy = location.href;
    mark(data.place[row]);
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  };

  // The patch before and after: of those on the cards, or of all.
  const go = (step) => {
    const shown = [...cards].filter(([, card]) => !card.hidden).map(([id]) => id);
    const at = shown.indexOf(name(current));
    if (at >= 0) return show(find(shown[(at + step + shown.length) % shown.length]));
    show((current + step + data.place.length) % data.place.length);
  };
  const find = (id) => {
    const place = id?.match(/(\d+)_(\d+)$/);
    return place ? rowAt.get(Number(place[1]) * data.side + Number(place[2])) : undefined;
  };
  const follow = () => {
    const row = find(wanted()?.get("patch"));
    if (row !== undefined) show(row);
  };

  // The grid: pointed at, or walked over with the arrow keys.
  const cursor = grid?.querySelector(".cursor");
  const about = document.querySelector(".at");
  let here = 0;
  const mark = (place) => {
    if (!cursor) return;
    here = place;
    const [col, at] = [Math.floor(place / data.side), place % data.side];
    cursor.setAttribute("x", col);
    cursor.setAttribute("y", at);
    cursor.classList.add("on");
    const row = rowAt.get(place);
    const parts = row === undefined ? [] : shares(row).map(([title, { share }]) => `${title} ${percent(share)}`);
    about.textContent =
      `${digits(col)}_${digits(at)}` + (row === undefined ? "" : `: ${[data.fates[data.fate[row]][0], ...parts].join(" · ")}`);
  };
  const placeAt = (event) => {
    const box = grid.getBoundingClientRect();
    const inside = (share) => Math.min(data.side - 1, Math.max(0, Math.floor(share * data.side)));
    const col = inside((event.clientX - box.left) / box.width);
    return col * data.side + inside((event.clientY - box.top) / box.height);
  };
  const open = (place) => rowAt.has(place) && show(rowAt.get(place));
  grid?.addEventListener("pointermove", (event) => mark(placeAt(event)));
  grid?.addEventListener("click", (event) => open(placeAt(event)));
  grid?.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === "Enter" || event.key === " ") open(here);
    else if (step) {
      const inside = (number) => Math.min(data.side - 1, Math.max(0, number));
      const col = inside(Math.floor(here / data.side) + step[0]);
      mark(col * data.side + inside((here % data.side) + step[1]));
    } else return;
    event.preventDefault();
  });
  grid?.addEventListener("focus", () => mark(here));

  for (const [id, card] of cards)
    card.querySelector(".card").addEventListener("click", () => show(find(id)));
  for (const button of dialog.querySelectorAll("[data-go]"))
    button.addEventListener("click", () => go(Number(button.dataset.go)));
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") go(-1);
    if (event.key === "ArrowRight") go(1);
  });
  dialog.addEventListener("close", () => {
    remember("");
    (cards.get(name(current))?.querySelector(".card") ?? grid)?.focus({ preventScroll: true });
  });
  const filter = document.querySelector(".filter");
  if (filter) filter.hidden = false;
  filter?.addEventListener("change", (event) => {
    for (const card of cards.values())
      card.hidden = event.target.value !== "" && card.dataset.fate !== event.target.value;
  });
  window.addEventListener("hashchange", follow);
  follow();
})();
