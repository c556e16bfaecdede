const DATA = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);

// Figures as people read them.
const PREFIXES = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "u"], [1e-9, "n"]];
function rounded(value, digits = 3) {
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString("en", { minimumFractionDigits: 0, maximumFractionDigits: Math.min(decimals, 12), useGrouping: true });
}
function quantity(value, unit) {
  if (!Number.isFinite(value)) return "unknown";
  if (value === 0) return `0 ${unit}`;
  const [scale, prefix] = PREFIXES.find(([least]) => Math.abs(value) >= 0.9995 * least) || PREFIXES[PREFIXES.length - 1];
  return `${rounded(value / scale)} ${prefix}${unit}`;
}
const percent = (value) => (Number.isFinite(value) ? `${rounded(100 * value, 2)} %` : "unknown");

// Tables sort by a click on a heading: numbers by value, with their prefix, texts by the alphabet.
const SCALE = { T: 1e12, G: 1e9, M: 1e6, k: 1e3, m: 1e-3, u: 1e-6, n: 1e-9 };
function sortKey(text) {
  const match = /^(-?[\d.,]+)(?:e([-+]?\d+))?\s*([TGMkmun](?=[sJWBF\/]))?/.exec(text.trim());
  if (!match || !/\d/.test(match[1])) return null;
  return parseFloat(match[1].replace(/,/g, "")) * (SCALE[match[3]] || 1);
}
function sortBy(table, column) {
  const heading = table.tHead.rows[0].cells[column];
  const ascending = heading.getAttribute("aria-sort") !== "ascending";
  for (const cell of table.tHead.rows[0].cells) cell.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const rows = [...table.tBodies[0].rows].map((row) => ({ row, text: row.cells[column].textContent, key: sortKey(row.cells[column].textContent) }));
  rows.sort((a, b) => {
    const order = a.key !== null && b.key !== null ? a.key - b.key : (a.key === null) - (b.key === null) || a.text.localeCompare(b.text);
    return ascending ? order : -order;
  });
  table.tBodies[0].append(...rows.map(({ row }) => row));
}
for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((cell, column) => cell.querySelector("button").addEventListener("click", () => sortBy(table, column)));
}

// Charts: drawn in the colours of the page.
function draw() {
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--ink").trim(), line = style.getPropertyValue("--line").trim();
  const config = { background: "transparent", view: { stroke: null }, title: { color: ink },
    axis: { labelColor: ink, titleColor: ink, gridColor: line, gridOpacity: 0.5, domainColor: line, tickColor: line }, legend: { labelColor: ink, titleColor: ink } };
  for (const chart of DATA.charts) {
    vegaEmbed(`#chart-${chart.key}`, chart.spec, { config, actions: { export: true, source: false, compiled: false, editor: false }, downloadFileName: `roofwise-${chart.key}`, ast: false });
  }
}
if (DATA.charts.length) {
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

// The limit: every stop is an answer of advise, computed when the page was written.
function showStop() {
  const stop = DATA.live.stops[$("limit").valueAsNumber];
  $("limit-shown").textContent = stop.shown;
  $("limit").setAttribute("aria-valuetext", stop.shown);
  $("recommendation").textContent = stop.answer;
}

// What if: the same pass as the answer's, recomputed with another batch, bandwidth, peak or power limit.
const FACTORS = ["bandwidth", "peak", "power"];
function changed(machine) {
  const [bandwidth, peak, power] = FACTORS.map((name) => 2 ** $(name).valueAsNumber);
  const times = (value, factor) => (value === null ? null : value * factor);
  const peaks = Object.fromEntries(DATA.live.peaks.map((name) => [name, times(machine[name], peak)]));
  return { ...machine, ...peaks,
    bandwidth: times(machine.bandwidth, bandwidth), bound_bandwidth: times(machine.bound_bandwidth, bandwidth),
    tdp_w: times(machine.tdp_w, power) };
}
function recompute() {
  const { network, machine, causes } = DATA.live;
  const now = changed(machine), batch = $("batch").valueAsNumber;
  $("batch-shown").textContent = batch;
  $("bandwidth-shown").textContent = quantity(now.bandwidth, "B/s");
  $("peak-shown").textContent = quantity(now.peak, "FLOP/s");
  $("power-shown").textContent = now.tdp_w === null ? "unknown" : quantity(now.tdp_w, "W");
  const p = pass(network, now, batch);
  const rows = [["bound", quantity(p.bound, "s")], ["estimate", quantity(p.estimate, "s")], ["90 % sure", quantity(p.p90, "s")],
    ["throughput", Number.isFinite(p.throughput) ? `${rounded(p.throughput)}/s` : "unknown"], ["energy", quantity(p.energy, "J")],
    ["power", quantity(p.power, "W")], ["MFU", percent(p.mfu)], ["memory", quantity(p.memory, "B")]];
  $("figures").replaceChildren(...rows.map(([name, value]) => {
    const row = document.createElement("tr"), head = document.createElement("th"), cell = document.createElement("td");
    head.scope = "row"; head.textContent = name; cell.textContent = value; cell.className = "right"; cell.id = `figure-${name.replace(/\W+/g, "-")}`;
    row.append(head, cell);
    return row;
  }));
  const shares = Object.entries(p.causes).map(([cause, seconds]) => [causes[cause], seconds / p.estimate]).filter(([, share]) => share >= 0.005);
  $("bars").replaceChildren(...shares.map(([name, share]) => {
    const bar = document.createElement("div"), label = document.createElement("span"), width = document.createElement("span"), value = document.createElement("span");
    bar.className = "bar"; label.textContent = name; width.style.width = `${100 * share}%`; value.textContent = percent(share);
    bar.append(label, width, value);
    return bar;
  }));
}
if (DATA.live) {
  $("limit").addEventListener("input", showStop);
  showStop();
  if (DATA.live.machine) {
    for (const name of ["batch", ...FACTORS]) $(name).addEventListener("input", recompute);
    $("reset").addEventListener("click", () => {
      $("batch").value = DATA.live.batch;
      for (const name of FACTORS) $(name).value = 0;
      recompute();
    });
    recompute();
  }
}
