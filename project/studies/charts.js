// What pages draw with: elements, SVG, and round numbers for axes. Each page has a copy within.
function element(name, attributes = {}, text = "") {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}
function drawn(parent, name, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  parent.append(made);
  return made;
}
function canvas(place, height, label) {
  const width = Math.max(280, place.clientWidth);
  place.replaceChildren();
  const svg = drawn(place, "svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  return [svg, width];
}
function nice(low, high, count) {  // round numbers between two others
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const ticks = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + step / 1e6; tick += step) ticks.push(tick);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return ticks.map((tick) => [tick, (Math.abs(tick) < step / 1e6 ? 0 : tick).toFixed(digits)]);
}
