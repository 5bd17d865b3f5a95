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

// A column of numbers: `show` gives their text. A wide one is not there on a narrow screen, and one without any number on none.
function numbers(value, show, more = "wide") {
  const visible = data.entries.some((entry) => show(entry) !== "");
  return column(value, (entry) => document.createTextNode(show(entry)), { type: "num", className: `number ${more}`, searchable: false, visible });
}

const last = (value) => value ?? Infinity; // what has no number comes after all that have one
const ifScored = (show) => (entry) => (entry.accuracy === null ? "" : show(entry));
const names = (entry) => Object.values(entry.strategies).flat();

// The four families as letters; the names of what is in effect are said to whoever points at one, or listens.
function marks(entry) {
  const said = Object.entries(entry.strategies).map(([family, used]) => `${_(family)}: ${used.join(", ") || _("none of this family")}`);
  const cell = element("span", "", said.length ? { class: "marks", role: "img", "aria-label": said.join("; ") } : {});
  Object.entries(entry.strategies).forEach(([family, used], at) => {
    const filledIn = used.length ? family : "unused";
    cell.append(element("span", family[0].toUpperCase(), { class: `mark ${filledIn}`, title: said[at] }));
  });
  return cell;
}

// The rank, the places it has moved since yesterday, and its band where there is room for it.
function ranked(entry) {
  const [rank, band] = entry.band.split(" ");
  const cell = element("span", rank);
  if (entry.moved) {
    const said = entry.moved > 0 ? _("up since yesterday") : _("down since yesterday");
    const moved = `${entry.moved > 0 ? "▲" : "▼"}${Math.abs(entry.moved)}`;
    cell.append(element("span", ` ${moved}`, { class: "moved", title: said, role: "img", "aria-label": `${said}: ${Math.abs(entry.moved)}` }));
  }
  if (band) cell.append(element("span", ` ${band}`, { class: "wide" }));
  return cell;
}

// The name, of which a narrow screen may show a part, and the marks behind it.
function named(entry) {
  const cell = element("span", "", { class: "named" });
  cell.append(entry.page ? element("a", entry.name, { href: entry.page }) : element("span", entry.name));
  if (entry.excellent) cell.append(element("span", "★", { title: _("among the best"), role: "img", "aria-label": _("among the best") }));
  if (entry.staff) cell.append(element("span", _("staff"), { class: "tag" }));
  if (entry.practice) cell.append(element("span", entry.practice, { class: "practice", title: entry.practice }));
  if (entry.flags) cell.append(element("span", "⚑", { class: "flag", title: _("a person is asked to look"), role: "img", "aria-label": _("flagged") }));
  return cell;
}

const table = new DataTable("#leaderboard", {
  data: data.entries,
  columns: [
    column((entry) => entry.order, ranked, { type: "num", className: "number of-rank", searchable: false }),
    column((entry) => entry.name, named),
    numbers((entry) => entry.accuracy ?? -1, ifScored((entry) => percent(entry.accuracy)), "of-accuracy"),
    numbers((entry) => entry.accuracy_low ?? -1, (entry) => (entry.accuracy_low === null ? "" : `${(100 * entry.accuracy_low).toFixed(1)}-${(100 * entry.accuracy_high).toFixed(1)}`)),
    column((entry) => entry.verdict, (entry) => element("span", _(entry.verdict.replace("_", " ")), { class: `verdict ${entry.verdict}` }), { className: "of-verdict" }),
    numbers((entry) => last(entry.epochs_to_target), (entry) => entry.epochs_to_target ?? ""),
    numbers((entry) => last(entry.seconds), (entry) => entry.seconds?.toFixed(0) ?? ""),
    numbers((entry) => last(entry.parameters), (entry) => entry.parameters?.toLocaleString("en") ?? ""),
    numbers((entry) => entry.bonus, (entry) => entry.bonus || ""),
    numbers((entry) => entry.total ?? -1, (entry) => entry.total?.toFixed(2) ?? ""),
    column((entry) => names(entry).join(" "), marks, { orderable: false, className: "wide", visible: data.entries.some((entry) => names(entry).length) }),
  ],
  order: [[0, "asc"]],
  autoWidth: false,
  deferRender: true,
  pageLength: 50,
  lengthMenu: [20, 50, 200, { label: _("all"), value: -1 }],
  layout: { topStart: "search", topEnd: null, bottomStart: ["info", "pageLength"], bottomEnd: "paging" },
  language: {
    search: _("Search"),
    lengthMenu: _("_MENU_ on a page"),
    info: _("_START_ to _END_ of _TOTAL_"),
    infoEmpty: _("nothing"),
    infoFiltered: _("(of _MAX_)"),
    zeroRecords: _("Nothing fits the filters"),
  },
});

const filters = document.getElementById("filters");
table.search.fixed("filters", (_, entry) => {
  const { verdict, ...asked } = Object.fromEntries(new FormData(filters));
  const all = Object.entries(asked).every(([family, name]) => !name || entry.strategies[family]?.includes(name));
  return all && (!verdict || entry.verdict === verdict);
});
filters.addEventListener("change", () => table.draw());
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("reset", () => setTimeout(() => table.search("").draw()));

// What is filtered and searched is in the address, so that it can be sent and kept: #verdict=passed&normalization=GroupNorm
function fromAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  for (const choice of filters.elements) if (choice.name) choice.value = asked.get(choice.name) ?? "";
  for (const choice of filters.elements) if (choice.name && choice.selectedIndex < 0) choice.value = ""; // none of the names
  table.search(asked.get("search") ?? "").draw();
}
function toAddress() {
  const asked = new URLSearchParams([...new FormData(filters), ["search", table.search()]].filter(([, value]) => value));
  const hash = asked.size ? `#${asked}` : "";
  if (hash !== location.hash) history.replaceState(null, "", hash || location.pathname + location.search);
}
if (location.hash.includes("=")) fromAddress();
addEventListener("hashchange", () => location.hash.includes("=") && fromAddress());
table.on("draw", toAddress);
document.documentElement.classList.toggle("dark", dark.matches);
dark.addEventListener("change", () => document.documentElement.classList.toggle("dark", dark.matches));
