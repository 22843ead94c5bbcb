/* Zoom and move the map of the tiles; draw its graticule and scale. */
(() => {
  const figure = document.querySelector(".map");
  const svg = figure?.querySelector("svg");
  if (!svg) return;
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const { west, north, lon, lat } = Object.fromEntries(
    Object.entries(svg.dataset).map(([key, value]) => [key, Number(value)]),
  );
  const graticule = svg.querySelector(".graticule");
  const tiles = [...svg.querySelectorAll("a")];
  const side = Math.max(...tiles.map((tile) => tile.getBBox().width));
  const least = Math.min(width, side * 1.5);
  let view = { x: 0, y: 0, width };

  const NICE = [60, 30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1];
  const degrees = (value, [plus, minus]) => {
    const turned = ((((value + 180) % 360) + 360) % 360) - 180;
    const shown = plus === "E" ? turned : value;
    const isEdge = Math.abs(shown) < 1e-9 || (plus === "E" && Math.abs(shown) > 180 - 1e-9);
    const side = isEdge ? "" : ` ${shown > 0 ? plus : minus}`;
    return `${Number(Math.abs(shown).toFixed(1))}°${side}`;
  };
  const make = (name, attributes, words = "") => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = words;
    return made;
  };

  const draw = () => {
    const high = (view.width * height) / width;
    view.width = Math.min(width, Math.max(least, view.width));
    view.x = Math.min(width - view.width, Math.max(0, view.x));
    view.y = Math.min(height - (view.width * height) / width, Math.max(0, view.y));
    svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${(view.width * height) / width}`);
    const unit = view.width / (svg.clientWidth || width);
    svg.style.setProperty("--unit", unit);
    const marks = [];
    const step = NICE.findLast((degree) => (degree * lon) / unit >= 90) ?? NICE[0];
    const bottom = view.y + high;
    for (let i = Math.ceil((west + view.x / lon) / step); ; i++) {
      const x = (i * step - west) * lon;
      if (x > view.x + view.width) break;
      marks.push(make("path", { d: `M${x} ${view.y}V${bottom}` }));
      const place = { x: x + 3 * unit, y: view.y + 12 * unit };
      marks.push(make("text", place, degrees(i * step, ["E", "W"])));
    }
    for (let i = Math.ceil((north - bottom / lat) / step); ; i++) {
      const y = (north - i * step) * lat;
      if (y < view.y) break;
      marks.push(make("path", { d: `M${view.x} ${y}H${view.x + view.width}` }));
      const place = { x: view.x + 3 * unit, y: y - 3 * unit };
      // Not behind the degrees of longitude above or the scale below.
      if (y > view.y + 28 * unit && y < bottom - 36 * unit)
        marks.push(make("text", place, degrees(i * step, ["N", "S"])));
    }
    graticule.replaceChildren(...marks);
    for (const name of svg.querySelectorAll(".country"))
      name.classList.toggle("small", name.textContent.length * 6.5 * unit > name.dataset.width);
    svg.classList.toggle("named", side / unit > 44);
    svg.classList.toggle("near", side / unit > 110);
    if (side / unit > 110)
      for (const tile of tiles) {
        const image = tile.querySelector("image");
        const source = document.querySelector(`img[data-tile="${tile.dataset.tile}"]`);
        if (source && !image.hasAttribute("href")) image.setAttribute("href", source.src);
      }
    // A degree of latitude is 111.2 km on a sphere.
    const km = (unit / lat) * 111.2;
    const room = 110 * km;
    const power = 10 ** Math.floor(Math.log10(room));
    const length = power * [5, 2, 1].find((one) => one * power <= room);
    const scale = figure.querySelector(".scale");
    scale.style.width = `${length / km}px`;
    scale.textContent = `${Number(length.toPrecision(1))} km`;
  };

  /* Zoom so that the place of the map at (x, y), pixels of the window, stays where it is. */
  const zoom = (factor, x, y) => {
    const box = svg.getBoundingClientRect();
    const [a, b] = [(x - box.left) / box.width, (y - box.top) / box.height];
    const before = view.width;
    const after = Math.min(width, Math.max(least, before / factor));
    view.x += a * (before - after);
    view.y += (b * (before - after) * height) / width;
    view.width = after;
    draw();
  };
  const middle = (factor) => {
    const box = svg.getBoundingClientRect();
    zoom(factor, box.left + box.width / 2, box.top + box.height / 2);
  };
  const move = (x, y) => {
    const unit = view.width / svg.clientWidth;
    view.x += x * unit;
    view.y += y * unit;
    draw();
  };
  const whole = () => {
    view = { x: 0, y: 0, width };
    draw();
  };

  const pointers = new Map();
  let moved = 0;
  svg.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    if (!pointers.size) moved = 0;
    pointers.set(event.pointerId, event);
  });
  window.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    pointers.set(event.pointerId, event);
    const [x, y] = [event.clientX - before.clientX, event.clientY - before.clientY];
    moved += Math.hypot(x, y);
    const other = [...pointers.values()].find((one) => one.pointerId !== event.pointerId);
    if (other) {
      const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
      const centre = [(event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2];
      zoom(apart(event) / Math.max(1, apart(before)), ...centre);
    } else move(-x, -y);
  });
  for (const name of ["pointerup", "pointercancel"])
    window.addEventListener(name, (event) => {
      pointers.delete(event.pointerId);
      setTimeout(() => (moved = 0)); // after the click that follows
    });
  svg.addEventListener("dragstart", (event) => event.preventDefault());
  // A tile is a link, but not where it was only taken hold of.
  svg.addEventListener("click", (event) => moved > 5 && event.preventDefault(), true);
  svg.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
      event.preventDefault();
      zoom(Math.exp(-event.deltaY / 300), event.clientX, event.clientY);
    },
    { passive: false },
  );
  svg.addEventListener("dblclick", (event) => zoom(2, event.clientX, event.clientY));
  const KEYS = {
    "+": () => middle(1.5),
    "=": () => middle(1.5),
    "-": () => middle(1 / 1.5),
    0: whole,
    ArrowLeft: () => move(-60, 0),
    ArrowRight: () => move(60, 0),
    ArrowUp: () => move(0, -60),
    ArrowDown: () => move(0, 60),
  };
  figure.addEventListener("keydown", (event) => {
    if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  for (const button of figure.querySelectorAll("[data-key]"))
    button.addEventListener("click", () => KEYS[button.dataset.key]());
  // Bring a tile into view that is reached by keyboard.
  svg.addEventListener("focusin", (event) => {
    const tile = event.target.closest("a");
    if (!tile?.matches(":focus-visible")) return;
    const box = tile.getBBox();
    const high = (view.width * height) / width;
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    if (x > view.x && x < view.x + view.width && y > view.y && y < view.y + high) return;
    Object.assign(view, { x: x - view.width / 2, y: y - high / 2 });
    draw();
  });
  new ResizeObserver(draw).observe(svg);
  figure.classList.add("live");
  draw();
})();
