// The leaderboard's charts. They show the submissions that the table's filters and search leave.
"use strict";
const MOST_CURVES = 40;
const across = document.getElementById("across");
const shown = () => table.rows({ search: "applied", order: "applied" }).data().toArray().filter((entry) => entry.accuracy !== null);

whenCharts(() => {
  const cost = chart("cost-chart", () => {
    const entries = shown().filter((entry) => entry[across.value] !== null);
    const traces = ["verified", "audited"].map((tier, index) => {
      const ofTier = entries.filter((entry) => entry.tier === tier);
      return {
        type: "scatter",
        mode: "markers",
        name: _(tier),
        x: ofTier.map((entry) => entry[across.value]),
        y: ofTier.map((entry) => entry.accuracy),
        text: ofTier.map((entry) => plain(entry.name)),
        customdata: ofTier.map((entry) => entry.page),
        hovertemplate: "%{text}<br>%{y:.2%}, %{x:,.0f}<extra></extra>",
        marker: { color: color(index ? "second" : "first"), symbol: index ? "diamond" : "circle", size: 8, opacity: 0.75 },
        error_y: ofTier.length > 100 ? undefined : {
          type: "data", symmetric: false, thickness: 1, width: 0,
          array: ofTier.map((entry) => entry.accuracy_high - entry.accuracy),
          arrayminus: ofTier.map((entry) => entry.accuracy - entry.accuracy_low),
        },
      };
    });
    return [traces, {
      xaxis: { title: { text: _(across.value) }, type: "log", ...(entries.length && logTicks(entries.map((entry) => entry[across.value]))) },
      yaxis: { title: { text: _("accuracy") }, tickformat: ".0%", nticks: 8 },
      shapes: [targetLine("y")],
      showlegend: true,
    }];
  });

  const curves = chart("curves-chart", () => {
    const entries = shown().filter((entry) => entry.curve.length).slice(0, MOST_CURVES);
    document.getElementById("curves-count").textContent = entries.length;
    const traces = entries.map((entry, index) => ({
      type: "scatter",
      mode: "lines",
      name: plain(entry.name),
      x: entry.curve.map((_, epoch) => epoch + 1),
      y: entry.curve,
      hovertemplate: `${filled("epoch {epoch}", { epoch: "%{x}" })}: %{y:.2%}`,
      line: { width: index < 3 ? 3 : 1.5, color: index < 3 ? color("first") : color("second") },
      opacity: index < 3 ? 1 : 0.45,
    })).reverse();
    return [traces, {
      xaxis: epochAxis(Math.max(1, ...entries.map((entry) => entry.curve.length))),
      yaxis: { title: { text: _("validation accuracy") }, tickformat: ".0%", nticks: 8 },
      shapes: [targetLine("y")],
      showlegend: false,
    }];
  });

  const redraw = () => { cost(); curves(); };
  table.on("draw", redraw);
  across.addEventListener("change", cost);
  document.getElementById("cost-chart").on("plotly_click", (event) => {
    location.href = event.points[0].customdata;
  });
});
