// The leaderboard's charts: they show what the table's filters and search leave.
"use strict";
const MOST_CURVES = 40;
const across = document.getElementById("across");
const shown = () => table.rows({ search: "applied", order: "applied" }).data().toArray().filter((entry) => entry.accuracy !== null);

whenCharts(() => {
  const cost = chart("cost-chart", () => {
    const entries = shown().filter((entry) => entry[across.value] !== null);
    const target = { type: "line", xref: "paper", x0: 0, x1: 1, y0: data.target, y1: data.target, line: { color: color("muted"), dash: "dot", width: 1 } };
    const traces = ["verified", "audited"].map((tier, index) => {
      const of = entries.filter((entry) => entry.tier === tier);
      return {
        type: "scatter",
        mode: "markers",
        name: tier,
        x: of.map((entry) => entry[across.value]),
        y: of.map((entry) => entry.accuracy),
        text: of.map((entry) => entry.name.replaceAll("<", "‹")), // Plotly would read it as markup
        customdata: of.map((entry) => entry.page),
        hovertemplate: "%{text}<br>%{y:.2%}, %{x:,.0f}<extra></extra>",
        marker: { color: color(index ? "second" : "first"), symbol: index ? "diamond" : "circle", size: 8, opacity: 0.75 },
        error_y: of.length > 100 ? undefined : {
          type: "data", symmetric: false, thickness: 1, width: 0,
          array: of.map((entry) => entry.accuracy_high - entry.accuracy),
          arrayminus: of.map((entry) => entry.accuracy - entry.accuracy_low),
        },
      };
    });
    return [traces, {
      xaxis: { title: { text: across.value }, type: "log", dtick: across.value === "seconds" ? "D2" : 1 },
      yaxis: { title: { text: "accuracy" }, tickformat: ".0%" },
      shapes: [target],
      showlegend: true,
    }];
  });

  const curves = chart("curves-chart", () => {
    const entries = shown().filter((entry) => entry.curve.length).slice(0, MOST_CURVES);
    document.getElementById("curves-count").textContent = entries.length;
    const traces = entries.map((entry, index) => ({
      type: "scatter",
      mode: "lines",
      name: entry.name.replaceAll("<", "‹"),
      x: entry.curve.map((_, epoch) => epoch + 1),
      y: entry.curve,
      hovertemplate: "epoch %{x}: %{y:.2%}",
      line: { width: index < 3 ? 3 : 1.5, color: index < 3 ? color("first") : color("second") },
      opacity: index < 3 ? 1 : 0.45,
    })).reverse();
    return [traces, {
      xaxis: { title: { text: "epoch" }, dtick: 1 },
      yaxis: { title: { text: "validation accuracy" }, tickformat: ".0%" },
      showlegend: entries.length <= 10,
    }];
  });

  const redraw = () => { cost(); curves(); };
  table.on("draw", redraw);
  across.addEventListener("change", cost);
  document.getElementById("cost-chart").on("plotly_click", (event) => {
    location.href = event.points[0].customdata;
  });
});
