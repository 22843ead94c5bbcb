/* Filters and search over all patches of the dataset. */
(async () => {
  const form = document.querySelector(".filters");
  if (!form) return;
  const AT_ONCE = 48;
  const data = await unpack("rows");
  const rows = data.set.length;

  // The tile and the place in it of each row.
  const tileOf = new Uint16Array(rows);
  const place = new Int32Array(rows);
  let end = 0;
  data.tiles.forEach(([, , , count], tile) => {
    tileOf.fill(tile, end, end + count);
    for (let at = 0, row = end; row < end + count; row++) place[row] = at += data.place[row];
    end += count;
  });
  const column = (row) => Math.floor(place[row] / data.tiles[tileOf[row]][2]);
  const line = (row) => place[row] % data.tiles[tileOf[row]][2];
  const id = (row) => `${data.tiles[tileOf[row]][0]}_${digits(column(row))}_${digits(line(row))}`;

  // Sheets of thumbnails: of each row that has one, its sheet and the number there.
  const thumbs = new Map();
  for (const sheet of JSON.parse(document.getElementById("sheets").textContent))
    sheet.rows.forEach((row, at) => thumbs.set(row, { sheet, at }));

  // What a text asks of each tile: true, false, or a test of column and row.
  const search = (text) => {
    const names = data.tiles.map(([name]) => name);
    const whole = names.map((name) => name.includes(text));
    if (whole.includes(true)) return whole;
    const ofTile = (name, part) =>
      name.includes(part) || (/\d\d[A-Z]{3}$/.test(part) && name.endsWith(`T${part.slice(-5)}`));
    let parts = text.match(/^(.*?)[_ ]?(\d{1,4})_(\d{1,4})$/);
    if (parts)
      return names.map(
        (name) => ofTile(name, parts[1]) && ((col, row) => col === +parts[2] && row === +parts[3]),
      );
    parts = text.match(/^(.+)_(\d{0,4})_?$/);
    if (!parts) return whole;
    return names.map(
      (name) => ofTile(name, parts[1]) && ((col) => digits(col).startsWith(parts[2])),
    );
  };

  const find = (values) => {
    const classes = values.getAll("class").map((name) => data.classes.indexOf(name));
    const split = values.get("split") ? data.splits.indexOf(values.get("split")) : null;
    const country = values.get("country") ? data.countries.indexOf(values.get("country")) : null;
    const sky = values.get("sky");
    const month = values.get("month");
    const text = (values.get("text") ?? "").trim().toUpperCase();
    const skies = { clear: (bits) => !bits, snow: (bits) => bits & 1, cloud: (bits) => bits & 2 };
    const setOk = data.sets.map((set) => classes.every((one) => set.includes(one)));
    const facetOk = data.facets.map(
      ([s, c, bits]) =>
        (split === null || s === split) &&
        (country === null || c === country) &&
        (!sky || Boolean(skies[sky]?.(bits))),
    );
    const inText = text ? search(text) : data.tiles.map(() => true);
    const tileOk = data.tiles.map(([, day], tile) => (!month || day.startsWith(month)) && inText[tile]);
    const found = [];
    for (let row = 0; row < rows; row++) {
      const ok = setOk[data.set[row]] && facetOk[data.facet[row]] && tileOk[tileOf[row]];
      if (ok === true || (ok && ok(column(row), line(row)))) found.push(row);
    }
    return found;
  };

  const list = document.querySelector(".results");
  const more = document.querySelector("[data-more]");
  const status = document.querySelector(".found");
  let found = [];
  let ordered = [];

  const item = (row) => {
    const [tile, day] = data.tiles[tileOf[row]];
    const [split] = data.facets[data.facet[row]];
    const link = element("a", { href: `${tile}.html#patch=${id(row)}`, title: id(row) });
    const thumb = thumbs.get(row);
    if (thumb) {
      const many = thumb.sheet.rows.length;
      const picture = element("span", { className: "thumb", role: "img", ariaLabel: "True colour" });
      picture.style.backgroundImage = `url(${thumb.sheet.uri})`;
      picture.style.backgroundSize = `${100 * many}% 100%`;
      picture.style.backgroundPosition = `${(100 * thumb.at) / Math.max(1, many - 1)}% 0`;
      link.append(picture);
    }
    const head = element("b", {}, `${tile.slice(-5)} ${digits(column(row))}_${digits(line(row))}`);
    const labels = data.sets[data.set[row]].map((one) => data.classes[one]).join(", ");
    const about = element("span", { className: "about" }, head, " ", swatch(data.colours[split]));
    about.append(` ${data.splits[split]} `, element("small", {}, day));
    about.append(element("span", { className: "of-patch" }, labels));
    link.append(about);
    return element("li", {}, link);
  };
  const show = () => {
    const next = ordered.slice(list.children.length, list.children.length + AT_ONCE);
    list.append(...next.map(item));
    more.hidden = list.children.length >= ordered.length;
  };

  const values = () => {
    const entries = [...new FormData(form)].filter(([, value]) => value !== "");
    return new URLSearchParams(entries);
  };
  const apply = () => {
    const asked = values();
    found = find(asked);
    // Those with a picture first.
    ordered = [...found.filter((row) => thumbs.has(row)), ...found.filter((row) => !thumbs.has(row))];
    const bySplit = data.splits.map(() => 0);
    for (const row of found) bySplit[data.facets[data.facet[row]][0]] += 1;
    const count = (number) => number.toLocaleString("en");
    const parts = data.splits.map((name, at) => `${count(bySplit[at])} ${name}`).join(", ");
    status.textContent = `${count(found.length)} of ${count(rows)} patches: ${parts}`;
    const classes = asked.getAll("class");
    form.querySelector("[data-chosen]").textContent = classes.join(" + ") || "any";
    list.replaceChildren();
    show();
    return asked;
  };

  /* Fill in the form from the address: filters, or a patch, whose page is that of its tile. */
  const follow = () => {
    const asked = wanted();
    if (!asked) return;
    const patch = asked.get("patch");
    if (patch) asked.set("text", patch);
    form.reset();
    for (const field of form.elements)
      if (field.type === "checkbox") field.checked = asked.getAll(field.name).includes(field.value);
      else if (asked.has(field.name)) field.value = asked.get(field.name);
    apply();
    if (patch && found.length === 1)
      location.replace(`${data.tiles[tileOf[found[0]]][0]}.html#patch=${id(found[0])}`);
    else document.getElementById("explore").scrollIntoView();
  };

  form.addEventListener("input", () => remember(apply().toString()));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => remember(apply().toString())));
  more.addEventListener("click", show);
  document.querySelector("[data-save]").addEventListener("click", () => {
    const names = found.map((row) => `${id(row)}\n`);
    const link = element("a", { download: "patches.txt" });
    link.href = URL.createObjectURL(new Blob(names, { type: "text/plain" }));
    link.click();
    URL.revokeObjectURL(link.href);
  });
  window.addEventListener("hashchange", follow);
  form.parentElement.hidden = false;
  apply();
  follow();
})();
