/* Filters and search over all patches of the dataset. */
(async () => {
  const form = document.querySelector(".filters");
  if (!form) return;
  const AT_ONCE = 24;
  const data = await unpack("rows");
  const rows = data.set.length;
  const setOf = new Uint32Array(data.set);
  const facetOf = new Uint32Array(data.facet);

  // The first row of each tile, then the tile and the place in it of each row.
  const starts = [0];
  const tileOf = new Uint32Array(rows);
  const place = new Int32Array(data.place);
  data.tiles.forEach(([, , , count], tile) => {
    const start = starts[tile];
    tileOf.fill(tile, start, start + count);
    for (let row = start + 1; row < start + count; row++) place[row] += place[row - 1];
    starts.push(start + count);
  });
  const sides = data.tiles.map(([, , side]) => side);
  const column = (row) => Math.floor(place[row] / sides[tileOf[row]]);
  const line = (row) => place[row] % sides[tileOf[row]];
  const id = (row) => `${data.tiles[tileOf[row]][0]}_${digits(column(row))}_${digits(line(row))}`;

  // Of each row that has a thumbnail, its sheet and the number there.
  const thumbs = new Map();
  for (const sheet of JSON.parse(document.getElementById("sheets").textContent))
    sheet.rows.forEach((row, at) => thumbs.set(row, { sheet, at }));

  // What a text asks of each tile: true, false, or a test of a place and the side of the tile.
  const search = (text) => {
    const names = data.tiles.map(([name]) => name);
    const whole = names.map((name) => name.includes(text));
    if (whole.includes(true)) return whole;
    const ofTile = (name, part) =>
      name.includes(part) || (/\d\d[A-Z]{3}$/.test(part) && name.endsWith(`T${part.slice(-5)}`));
    let parts = text.match(/^(.*?)[_ ]?(\d{1,4})_(\d{1,4})$/);
    if (parts) {
      const [col, row] = [Number(parts[2]), Number(parts[3])];
      const test = (at, side) => at === col * side + row && row < side;
      return names.map((name) => ofTile(name, parts[1]) && test);
    }
    parts = text.match(/^(.+?)_(\d{0,4})_?$/);
    if (!parts) return whole;
    const test = (at, side) => digits(Math.floor(at / side)).startsWith(parts[2]);
    return names.map((name) => ofTile(name, parts[1]) && test);
  };

  const isFound = new Uint8Array(rows);
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
    isFound.fill(0);
    data.tiles.forEach(([, day], tile) => {
      const test = (!month || day.startsWith(month)) && inText[tile];
      if (!test) return;
      for (let row = starts[tile]; row < starts[tile + 1]; row++)
        if (setOk[setOf[row]] && facetOk[facetOf[row]])
          isFound[row] = test === true || test(place[row], sides[tile]) ? 1 : 0;
    });
  };

  /* The rows that were found, those with a picture first. */
  function* inOrder() {
    for (const row of thumbs.keys()) if (isFound[row]) yield row;
    for (let row = 0; row < rows; row++) if (isFound[row] && !thumbs.has(row)) yield row;
  }

  const list = document.querySelector(".results");
  const more = document.querySelector("[data-more]");
  const status = document.querySelector(".found");
  let found = 0;
  let following = inOrder();

  const item = (row) => {
    const [tile, day] = data.tiles[tileOf[row]];
    const [split] = data.facets[facetOf[row]];
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
    const labels = data.sets[setOf[row]].map((one) => data.classes[one]).join(", ");
    const ofSplit = element("span", { className: "of-split" }, swatch(data.colours[split]));
    ofSplit.append(` ${data.splits[split]}`);
    const about = element("span", { className: "about" }, head, " ", ofSplit, " ");
    about.append(element("small", {}, day));
    about.append(element("span", { className: "of-patch" }, labels));
    link.append(about);
    return element("li", {}, link);
  };
  const show = () => {
    const left = Math.min(AT_ONCE, found - list.children.length);
    list.append(...Array.from({ length: left }, () => item(following.next().value)));
    more.hidden = list.children.length >= found;
  };

  const values = () => {
    const entries = [...new FormData(form)].filter(([, value]) => value !== "");
    return new URLSearchParams(entries);
  };
  const apply = () => {
    const asked = values();
    find(asked);
    const ofFacet = new Uint32Array(data.facets.length);
    for (let row = 0; row < rows; row++) ofFacet[facetOf[row]] += isFound[row];
    const bySplit = data.splits.map(() => 0);
    data.facets.forEach(([split], facet) => (bySplit[split] += ofFacet[facet]));
    found = bySplit.reduce((sum, one) => sum + one, 0);
    following = inOrder();
    const count = (number) => number.toLocaleString("en");
    const parts = data.splits.map((name, at) => `${count(bySplit[at])} ${name}`).join(", ");
    status.textContent = `${count(found)} of ${count(rows)} patches: ${parts}`;
    const classes = asked.getAll("class");
    form.querySelector("[data-chosen]").textContent = classes.join(" + ") || "any";
    list.replaceChildren();
    show();
    return asked;
  };

  /* Fill in the form from the address: filters, or a patch, whose page is that of its tile. */
  const follow = () => {
    const asked = wanted();
    if (!asked) return false;
    const patch = asked.get("patch");
    if (patch) asked.set("text", patch);
    form.reset();
    for (const field of form.elements)
      if (field.type === "checkbox") field.checked = asked.getAll(field.name).includes(field.value);
      else if (asked.has(field.name)) field.value = asked.get(field.name);
    apply();
    const row = isFound.indexOf(1);
    if (patch && found === 1)
      location.replace(`${data.tiles[tileOf[row]][0]}.html#patch=${id(row)}`);
    else document.getElementById("explore").scrollIntoView();
    return true;
  };

  form.addEventListener("input", () => remember(apply().toString()));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => remember(apply().toString())));
  more.addEventListener("click", show);
  document.querySelector("[data-save]").addEventListener("click", () => {
    const names = [];
    for (let row = 0; row < rows; row++) if (isFound[row]) names.push(`${id(row)}\n`);
    const link = element("a", { download: "patches.txt" });
    link.href = URL.createObjectURL(new Blob(names, { type: "text/plain" }));
    link.click();
    URL.revokeObjectURL(link.href);
  });
  window.addEventListener("hashchange", follow);
  form.parentElement.hidden = false;
  if (!follow()) apply();
})();
