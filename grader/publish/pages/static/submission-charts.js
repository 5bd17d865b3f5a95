// The charts of one submission.
"use strict";
const MARKS = { train: "first", val: "second" };
const values = (rows, name) => rows.map((row) => row[name]);
const epochs = (rows) => values(rows, "epoch");

const strong = data.middle ?? 0;

// One line for each seed: a strong one for the seed that ranks, faint ones for the others. `read` takes the rows of a training.
function lines(name, read, mark) {
  return data.curves.map((rows, seed) => ({
    type: "scatter",
    mode: "lines",
    x: epochs(rows),
    y: read(rows),
    name,
    showlegend: seed === strong,
    hovertemplate: `${name}, ${filled("epoch {epoch}", { epoch: "%{x}" })}: %{y}<extra></extra>`,
    line: { color: color(mark), width: seed === strong ? 2.5 : 1 },
    opacity: seed === strong ? 1 : 0.35,
  }));
}

function splits(metric) {
  return [[_("training"), "train"], [_("validation"), "val"]].flatMap(([name, split]) =>
    lines(name, (rows) => values(rows, `${split}/${metric}`), MARKS[split]));
}

const xaxis = epochAxis(Math.max(1, ...data.curves.map((rows) => rows.length)));
const gap = (rows) => rows.map((row) => (row["val/loss"] === null || row["train/loss"] === null ? null : row["val/loss"] - row["train/loss"]));
const accuracies = data.confusion.map((row, label) => row[label] / Math.max(1, row.reduce((sum, count) => sum + count, 0)));
const names = data.classes.map(plain);

whenCharts(() => {
  chart("accuracy", () => [splits("accuracy"), {
    title: _("Accuracy"),
    xaxis,
    yaxis: { tickformat: ".0%" },
    shapes: [targetLine("y")],
  }]);
  chart("loss", () => [splits("loss"), { title: _("Loss (cross-entropy)"), xaxis, yaxis: { rangemode: "tozero" } }]);
  chart("gap", () => [lines(_("validation - training"), gap, "ink"), { title: _("Generalization gap of the loss"), xaxis, showlegend: false }]);
  chart("rate", () => [lines(_("learning rate"), (rows) => values(rows, "lr"), "ink"), { title: _("Learning rate, at the end of each epoch"), xaxis, yaxis: { rangemode: "tozero" }, showlegend: false }]);

  chart("per-class", () => [[{
    type: "bar",
    orientation: "h",
    x: accuracies,
    y: names,
    text: accuracies.map((value) => percent(value, 0)),
    hovertemplate: "%{y}: %{x:.1%}<extra></extra>",
    marker: { color: color("first") },
  }], {
    title: _("Accuracy of each class"),
    xaxis: { tickformat: ".0%", range: [0, 1] },
    yaxis: { autorange: "reversed", type: "category" },
  }]);
  chart("confusion", () => [[{
    type: "heatmap",
    z: data.confusion,
    x: names,
    y: names,
    colorscale: [[0, color("paper")], [1, color("first")]],
    showscale: false,
    texttemplate: names.length > 12 ? "" : "%{z}",
    hovertemplate: `${filled("{label} taken for {predicted}", { label: "%{y}", predicted: "%{x}" })}: %{z}<extra></extra>`,
    xgap: 1,
    ygap: 1,
  }], {
    title: _("Labels (rows) by predictions (columns)"),
    xaxis: { type: "category", tickangle: -45 },
    yaxis: { autorange: "reversed", type: "category" },
  }]);

  chart("contributions", () => {
    const rows = data.contributions.filter((row) => row.mean !== null);
    return [[{
      type: "bar",
      orientation: "h",
      y: rows.map((row) => row.label),
      x: rows.map((row) => row.mean),
      text: rows.map((row) => percent(row.mean, 1)),
      hovertemplate: "%{y}: %{x:.2%}<extra></extra>",
      marker: { color: rows.map((row) => color(row.kind === "whole" ? "ink" : row.kind === "without" ? "second" : "first")) },
      error_x: { type: "data", array: rows.map((row) => row.std ?? 0), color: color("muted") },
    }], {
      xaxis: { tickformat: ".0%", rangemode: "tozero" },
      yaxis: { autorange: "reversed", type: "category" },
      shapes: [targetLine("x")],
    }];
  });
});
