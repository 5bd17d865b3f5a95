// What all pages share: their data, and charts in the page's own colors.
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const paper = matchMedia("print");
const percent = (share, digits = 2) => `${(100 * share).toFixed(digits)} %`;

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
  addEventListener("load", () => ("requestIdleCallback" in window ? requestIdleCallback(load) : setTimeout(load)));
}

// Plotly would read a name's "<" as markup.
const plain = (name) => name.replaceAll("<", "‹");

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
