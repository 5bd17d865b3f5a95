// The leaderboard's table: sorting, searching, filtering. What students wrote is set as text, never as HTML.
"use strict";

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// A column: the table sorts by `value` and searches in it; `show` makes the element that is seen.
function column(value, show, options = {}) {
  return { data: null, render: (_, type, entry) => (type === "display" ? show(entry) : value(entry)), ...options };
}

// A column of numbers: `show` gives their text.
function numbers(value, show) {
  const options = { type: "num", className: "number", searchable: false };
  return column(value, (entry) => document.createTextNode(show(entry)), options);
}

const last = (value) => value ?? Infinity; // what has no number comes after all that have one
const ifScored = (show) => (entry) => (entry.accuracy === null ? "" : show(entry));
const names = (entry) => Object.values(entry.strategies).flat();

function badges(texts) {
  const cell = document.createElement("span");
  for (const text of texts) cell.append(element("span", text, { class: "tag" }), " ");
  return cell;
}

function named(entry) {
  const cell = document.createElement("span");
  cell.append(element("a", entry.name, { href: entry.page }));
  if (entry.excellent) cell.append(" ", element("span", "★", { title: "among the best", role: "img", "aria-label": "among the best" }));
  if (entry.flags) cell.append(" ", element("span", "⚑", { class: "flag", title: "a person is asked to look", role: "img", "aria-label": "flagged" }));
  return cell;
}

const table = new DataTable("#leaderboard", {
  data: data.entries,
  columns: [
    numbers((entry) => last(entry.rank), (entry) => entry.band),
    column((entry) => entry.name, named),
    numbers((entry) => entry.accuracy ?? -1, ifScored((entry) => percent(entry.accuracy))),
    numbers((entry) => entry.accuracy_low ?? -1, ifScored((entry) => `${(100 * entry.accuracy_low).toFixed(1)}-${(100 * entry.accuracy_high).toFixed(1)}`)),
    column((entry) => entry.verdict, (entry) => element("span", entry.verdict.replace("_", " "), { class: `verdict ${entry.verdict}` })),
    numbers((entry) => last(entry.epochs_to_target), (entry) => entry.epochs_to_target ?? ""),
    numbers((entry) => last(entry.seconds), (entry) => entry.seconds?.toFixed(0) ?? ""),
    numbers((entry) => last(entry.parameters), (entry) => entry.parameters?.toLocaleString("en") ?? ""),
    numbers((entry) => entry.bonus, (entry) => entry.bonus || ""),
    numbers((entry) => entry.total ?? -1, (entry) => entry.total?.toFixed(2) ?? ""),
    column((entry) => names(entry).join(" "), (entry) => badges(names(entry)), { orderable: false, className: "tags" }),
  ],
  order: [[0, "asc"]],
  autoWidth: false,
  deferRender: true,
  pageLength: 50,
  lengthMenu: [20, 50, 200, { label: "all", value: -1 }],
  layout: { topStart: "search", topEnd: null, bottomStart: ["info", "pageLength"], bottomEnd: "paging" },
  language: { search: "Search", lengthMenu: "_MENU_ on a page" },
});

const filters = document.getElementById("filters");
table.search.fixed("filters", (_, entry) => {
  const asked = new FormData(filters);
  const verdict = asked.get("verdict");
  const strategies = asked.getAll("strategy").filter(Boolean);
  return (!verdict || entry.verdict === verdict) && strategies.every((name) => names(entry).includes(name));
});
filters.addEventListener("change", () => table.draw());
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("reset", () => setTimeout(() => table.search("").draw()));
document.documentElement.classList.toggle("dark", dark.matches);
dark.addEventListener("change", () => document.documentElement.classList.toggle("dark", dark.matches));
