// The leaderboard's table: sorting, searching, filtering. Texts of students are set as text, never as HTML.
"use strict";

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// A column: `value` sorts and is searched, `show` is what is seen.
function column(value, show = value, options = {}) {
  return { data: null, render: (_, type, entry) => (type === "display" ? show(entry) : value(entry)), ...options };
}

const number = { type: "num", className: "number", searchable: false };
const last = (value) => value ?? Infinity; // what has no rank comes after all that have one
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

const text = (show) => (entry) => document.createTextNode(show(entry));
const table = new DataTable("#leaderboard", {
  data: data.entries,
  columns: [
    column((entry) => last(entry.rank), text((entry) => entry.band), number),
    column((entry) => entry.name, named),
    column((entry) => entry.accuracy ?? -1, text((entry) => (entry.accuracy === null ? "" : percent(entry.accuracy))), number),
    column((entry) => entry.accuracy_low ?? -1, text((entry) => (entry.accuracy === null ? "" : `${(100 * entry.accuracy_low).toFixed(1)}-${(100 * entry.accuracy_high).toFixed(1)}`)), number),
    column((entry) => entry.verdict, (entry) => element("span", entry.verdict.replace("_", " "), { class: `verdict ${entry.verdict}` })),
    column((entry) => last(entry.epochs_to_target), text((entry) => `${entry.epochs_to_target ?? ""}`), number),
    column((entry) => last(entry.seconds), text((entry) => (entry.seconds === null ? "" : entry.seconds.toFixed(0))), number),
    column((entry) => last(entry.parameters), text((entry) => entry.parameters?.toLocaleString("en") ?? ""), number),
    column((entry) => entry.bonus, text((entry) => (entry.bonus ? `${entry.bonus}` : "")), number),
    column((entry) => entry.total ?? -1, text((entry) => (entry.total === null ? "" : entry.total.toFixed(2))), number),
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
