// What all pages share: their data, their words, the way to the other language, and charts in the page's own colors.
"use strict";
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const data = read("data");
const words = read("words");
// A text in the page's language; {names} in it are filled in.
const _ = (text) => words[text] ?? text;
const filled = (text, inserted) => _(text).replace(/\{(\w+)\}/g, (_whole, name) => inserted[name]);
const dark = matchMedia("(prefers-color-scheme: dark)");
const paper = matchMedia("print");
const percent = (share, digits = 2) => `${(100 * share).toFixed(digits)} %`;

// The filters in the address go along to the other language.
document.getElementById("switch").addEventListener("click", (event) => {
  event.currentTarget.hash = location.hash;
});

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// Plotly is large: it is loaded once the page itself can be used.
const folder = new URL(".", document.currentScript.src);
function whenCharts(then) {
  const load = () => {
    const script = document.createElement("script");
    script.src = new URL("plotly.js", folder);
    script.addEventListener("load", then);
    document.head.append(script);
  };
  addEventListener("load", () => ("requestIdleCallback" in window ? requestIdleCallback(load, { timeout: 1000 }) : setTimeout(load)));
}

// Plotly would read a name's "<" as markup.
const plain = (name) => name.replaceAll("<", "‹");

// An axis of epochs, with a tick for each as long as there are few.
const epochAxis = (count) => ({ title: { text: _("epoch") }, tick0: 1, dtick: Math.max(1, Math.ceil(count / 16)) });

// Ticks of a logarithmic axis: 1, 2 and 5 of each power of ten, or fewer where there are many; none close to another.
function logTicks(numbers) {
  const low = Math.log10(Math.min(...numbers)), high = Math.log10(Math.max(...numbers));
  const steps = high - low < 2 ? [1, 2, 5] : high - low < 4 ? [1, 3] : [1];
  const ticks = [];
  for (let power = Math.floor(low); power <= Math.ceil(high); power += 1) ticks.push(...steps.map((step) => step * 10 ** power));
  const within = ticks.filter((tick) => Math.log10(tick) > low - 0.25 && Math.log10(tick) < high + 0.25);
  const ends = [low, high, ...within.map(Math.log10)];
  return { tickmode: "array", tickvals: within, ticktext: within.map(short), range: [Math.min(...ends) - 0.05, Math.max(...ends) + 0.05] };
}

const short = (number) => (number >= 1e6 ? `${number / 1e6}M` : number >= 1e3 ? `${number / 1e3}k` : `${number}`);

// A dotted line at the target accuracy, which is on the axis "x" or "y".
function targetLine(axis) {
  const vertical = { yref: "paper", y0: 0, y1: 1, x0: data.target, x1: data.target };
  const horizontal = { xref: "paper", x0: 0, x1: 1, y0: data.target, y1: data.target };
  return { type: "line", ...(axis === "x" ? vertical : horizontal), line: { color: color("muted"), dash: "dot", width: 1 } };
}

// Draws a chart into the element `id`, and again whenever the colors change. `make` returns [traces, layout].
function chart(id, make) {
  const element = document.getElementById(id);
  if (!element) return () => {};
  const axis = () => ({ gridcolor: color("line"), zerolinecolor: color("line"), automargin: true });
  const draw = () => {
    const [traces, layout] = make();
    const { title, xaxis, yaxis, ...rest } = layout;
    Plotly.react(element, traces, {
      margin: { l: 8, r: 12, t: title ? 56 : rest.showlegend ? 32 : 8, b: 8 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, sans-serif", size: 12, color: color("ink") },
      legend: { orientation: "h", x: 1, xanchor: "right", y: 1.01, yanchor: "bottom" },
      title: title && { text: title, font: { size: 14, weight: 600 }, x: 0, xanchor: "left", y: 0.98, yanchor: "top" },
      hovermode: "closest",
      dragmode: false,
      xaxis: { ...axis(), ...xaxis },
      yaxis: { ...axis(), ...yaxis },
      ...rest,
    }, { displayModeBar: false, responsive: true });
  };
  draw();
  dark.addEventListener("change", draw);
  paper.addEventListener("change", draw);
  return draw;
}
