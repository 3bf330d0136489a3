"use strict";
// The plots of the page: controls choose what is drawn; pointing at a snapshot shows it in all three.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const element = (id) => document.getElementById(id);
  const families = new Map(data.families.map((family) => [family.name, family]));
  const objectives = new Map(data.objectives.map((objective) => [objective.name, objective]));
  const ALL = "*"; // every objective; params allow no such name
  const CHOICES = ["dataset", "backbone", "objective"];
  const PLOTS = ["frontier", "accuracy", "robustness"];
  // These buttons and no other: one of Plotly's own would send the data elsewhere.
  const CONFIG = { responsive: true, displaylogo: false, modeBarButtons: [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]] };
  const FONT = { family: "system-ui, 'Segoe UI', 'Liberation Sans', Arial, sans-serif", size: 13, color: "#1b1b1b" };
  const TOUCH = window.matchMedia("(pointer: coarse)").matches; // a finger scrolls the page, and must not zoom
  let curves = []; // the ones chosen, in the order of the first traces of each plot
  let at = null; // the snapshot pointed at: [curve, snapshot]

  // Plotly reads a little HTML in labels: names are to be taken as they are.
  const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const percent = (share) => (100 * share).toFixed(1);
  const range = (low, high) => `[${percent(low)}, ${percent(high)}]`;
  const measure = () => data.measures.find((one) => one.key === chosen("measure"));
  const several = (key) => new Set(curves.map((curve) => curve[key])).size > 1;
  const named = (curve) => curve.name + (several("objective") ? `, ${objectives.get(curve.objective).label}` : "") + (several("seed") ? `, seed ${curve.seed}` : "");
  const chosen = (key) => element(key).value;
  const belongs = (one) => CHOICES.every((key) => chosen(key) === ALL || one[key] === chosen(key));

  function fillSelect(id, options) {
    for (const [value, label] of options) element(id).add(new Option(label, value));
  }

  /* Measures stand under the name of their probe. */
  function fillMeasures() {
    for (const name of new Set(data.measures.map((one) => one.group))) {
      const group = Object.assign(document.createElement("optgroup"), { label: name });
      data.measures.filter((one) => one.group === name).forEach((one) => group.append(new Option(one.label, one.key)));
      element("measure").append(group);
    }
  }

  const GAPS = { solid: "none", dash: "6 3", dashdot: "6 2 2 2", dot: "2 2" };

  /* A piece of a line, as the plots draw it. */
  function swatch(colour, dash) {
    const drawn = (tag, attributes) => {
      const one = document.createElementNS("http://www.w3.org/2000/svg", tag);
      Object.entries(attributes).forEach(([name, value]) => one.setAttribute(name, value));
      return one;
    };
    const shown = drawn("svg", { class: "swatch", width: 26, height: 12, "aria-hidden": "true" });
    shown.append(drawn("line", { x1: 1, x2: 25, y1: 6, y2: 6, stroke: colour, "stroke-width": 4, "stroke-dasharray": GAPS[dash] }));
    return shown;
  }

  function addStrategies() {
    for (const family of data.families) {
      const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: true, value: family.name });
      const label = document.createElement("label");
      label.append(box, swatch(family.colour, family.dash), family.label);
      element("strategies").append(label);
    }
  }

  const boxes = () => [...element("strategies").querySelectorAll("input")];

  /* A dataset, backbone and objective that were not run together are exchanged for ones that were. */
  function settle() {
    const agreeing = (panel) => CHOICES.filter((key) => panel[key] === chosen(key)).length;
    const fitting = data.panels.filter((panel) => panel.dataset === chosen("dataset"));
    const best = fitting.reduce((a, b) => (agreeing(b) > agreeing(a) ? b : a));
    CHOICES.filter((key) => chosen(key) !== ALL).forEach((key) => { element(key).value = best[key]; });
  }

  function choose() {
    settle();
    const wanted = new Set(boxes().filter((box) => box.checked).map((box) => box.value));
    curves = data.curves.filter((curve) => curve.measure === chosen("measure") && belongs(curve) && wanted.has(curve.family));
    at = null;
    element("snapshot").textContent = "";
    const n = [...new Set(curves.map((curve) => curve.n))];
    element("choice").textContent = [...CHOICES.map((key) => element(key).selectedOptions[0].label), measure().label,
      curves.length ? `n = ${n.join(" or ")} test images` : "no run of this choice"].join(" · ");
    draw();
    listAreas();
    listNumbers();
  }

  function style(curve) {
    const family = families.get(curve.family);
    const objective = several("objective") ? objectives.get(curve.objective) : family;
    return { name: plain(named(curve)), symbol: family.symbol, dash: objective.dash,
      colour: several("family") ? family.colour : objective.colour };
  }

  function hover(curve) {
    return curve.step.map((step, i) => `<b>${plain(named(curve))}</b>, step ${step.toLocaleString("en")} (epoch ${curve.epoch[i]})`
      + `<br>accuracy ${percent(curve.accuracy[i])}% ${range(curve.low[i], curve.high[i])}`
      + `<br>robustness ${percent(curve.robustness[i])}% ${range(curve.robustness_low[i], curve.robustness_high[i])}`);
  }

  const scaled = (shares) => shares.map((share) => 100 * share);

  function frontierTraces() {
    const points = curves.map((curve) => {
      const { colour, symbol, name } = style(curve);
      return { type: "scatter", mode: "markers", x: scaled(curve.accuracy), y: scaled(curve.robustness), name, showlegend: false,
        text: hover(curve), hovertemplate: "%{text}<extra></extra>",
        marker: { color: colour, symbol, size: curve.best.map((best) => (best ? 9 : 6)),
          opacity: curve.best.map((best) => (best ? 1 : 0.3)), line: { color: colour, width: symbol === "x-thin" ? 2 : 0 } } };
    });
    return points.concat(stairs());
  }

  /* One staircase for each family, objective and seed: variants of a strategy share a frontier. */
  function stairs() {
    const groups = new Map();
    curves.forEach((curve) => {
      const key = `${curve.family} ${curve.objective} ${curve.seed}`;
      groups.set(key, (groups.get(key) || []).concat(curve));
    });
    return [...groups.values()].map((members) => {
      const { colour, dash } = style(members[0]);
      const front = members.flatMap((curve) => curve.step.map((_, i) => [curve.accuracy[i], curve.robustness[i], curve.best[i]]))
        .filter((point) => point[2]).sort((a, b) => a[0] - b[0]);
      const x = [0];
      const y = [];
      for (const [accuracy, robustness] of front) {
        x.push(100 * accuracy, 100 * accuracy);
        y.push(100 * robustness, 100 * robustness);
      }
      y.push(0);
      return { type: "scatter", mode: "lines", x, y, hoverinfo: "skip", showlegend: false, line: { color: colour, dash, width: 1.8 } };
    });
  }

  function stepTraces(value, low, high) {
    const place = steps();
    const lines = curves.map((curve) => {
      const { colour, symbol, dash, name } = style(curve);
      return { type: "scatter", mode: "lines+markers", x: curve.step.map(place), y: scaled(curve[value]), name, showlegend: false,
        text: hover(curve), hovertemplate: "%{text}<extra></extra>",
        line: { color: colour, dash, width: 1.8 }, marker: { color: colour, symbol, size: 6, line: { color: colour, width: symbol === "x-thin" ? 2 : 0 } } };
    });
    const bands = curves.map((curve) => ({ type: "scatter", mode: "lines", hoverinfo: "skip", showlegend: false,
      x: curve.step.concat([...curve.step].reverse()).map(place), y: scaled(curve[high].concat([...curve[low]].reverse())),
      fill: "toself", fillcolor: style(curve).colour, opacity: curves.length > 12 ? 0.05 : 0.12, line: { width: 0 } }));
    return lines.concat(bands);
  }

  const firstStep = () => Math.min(...curves.flatMap((curve) => curve.step).filter((step) => step > 0));

  /* Where a step is drawn: on a logarithmic axis step 0 stands half a step before the first. */
  function steps() {
    const zero = firstStep() / 2;
    return chosen("scale") === "log" ? (step) => step || zero : (step) => step;
  }

  function stepAxis() {
    const axis = { title: { text: "Fine-tuning step" } };
    if (chosen("scale") !== "log" || !curves.length || !Number.isFinite(firstStep())) return axis;
    const last = Math.max(...curves.flatMap((curve) => curve.step));
    const round = [];
    for (let power = 1; power <= last; power *= 10) for (const digit of [1, 2, 3, 5]) round.push(digit * power);
    let ticks = round.filter((step) => step >= firstStep() && step <= last);
    if (ticks.length > 5) ticks = ticks.filter((step) => /^[15]0*$/.test(step));
    if (ticks.length > 5) ticks = ticks.filter((step) => /^10*$/.test(step));
    if (ticks.length < 2) ticks = [...new Set([firstStep(), last])];
    return { ...axis, type: "log", tickvals: [firstStep() / 2, ...ticks], ticktext: ["0", ...ticks.map((step) => step.toLocaleString("en"))] };
  }

  function layout(x, y) {
    const lines = { zeroline: false, gridcolor: "#e8e8e8", linecolor: "#888", ticks: "outside", automargin: true };
    return { font: FONT, margin: { l: 52, r: 12, t: 30, b: 46 }, hovermode: "closest", hoverdistance: 30, dragmode: TOUCH ? false : "zoom", showlegend: false,
      paper_bgcolor: "#fff", plot_bgcolor: "#fff", hoverlabel: { bgcolor: "#fff", font: { ...FONT, color: "#1b1b1b" }, align: "left" },
      xaxis: { ...lines, ...x }, yaxis: { ...lines, rangemode: "tozero", ...y } };
  }

  function draw() {
    const robustness = measure().robustness;
    element("robustness-title").textContent = `${robustness} over fine-tuning`;
    // Below the frontiers and their intervals nothing happens: as in the figures, axes start at the next multiple of 5.
    const lowest = (share) => Math.min(...curves.flatMap((curve) => curve[share].filter((_, i) => curve.best[i])));
    const floor = (share) => (curves.length ? Math.max(0, 5 * Math.floor((100 * lowest(share) - 1) / 5)) : 0);
    const left = floor("low");
    const right = Math.min(101, 100 * Math.max(0.02, ...curves.flatMap((curve) => curve.accuracy)) + 2);
    const bottom = floor("robustness_low");
    const top = Math.min(101, 1.04 * 100 * Math.max(0.02, ...curves.flatMap((curve) => curve.robustness)));
    Plotly.react("frontier", frontierTraces(), layout({ title: { text: "Accuracy (%)" }, range: [left, right] },
      { title: { text: `${plain(robustness)}, %` }, range: [bottom, top] }), CONFIG);
    Plotly.react("accuracy", stepTraces("accuracy", "low", "high"), layout(stepAxis(), { title: { text: "Accuracy (%)" } }), CONFIG);
    Plotly.react("robustness", stepTraces("robustness", "robustness_low", "robustness_high"),
      layout(stepAxis(), { title: { text: "%" } }), CONFIG);
  }

  /* Shows one snapshot in the plots and in words. */
  function point(curve, index, from) {
    if (at && at[0] === curve && at[1] === index) return;
    at = [curve, index];
    const shown = curves[curve];
    element("snapshot").textContent = `${named(shown)}, step ${shown.step[index].toLocaleString("en")} (epoch ${shown.epoch[index]}): accuracy `
      + `${percent(shown.accuracy[index])}% ${range(shown.low[index], shown.high[index])}, robustness ${percent(shown.robustness[index])}% `
      + `${range(shown.robustness_low[index], shown.robustness_high[index])}${shown.best[index] ? ", on the frontier" : ""}`;
    element("snapshot").style.borderColor = style(shown).colour;
    for (const id of PLOTS) if (id !== from) Plotly.Fx.hover(id, [{ curveNumber: curve, pointNumber: index }]);
  }

  function onKey(event) {
    const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!move || !curves.length) return;
    event.preventDefault();
    const [curve, index] = at || [0, -1];
    const next = (curve + move[0] + curves.length) % curves.length;
    point(next, Math.min(Math.max(index + move[1], 0), curves[next].step.length - 1), null);
  }

  function table(header, rows, words) {
    const box = Object.assign(document.createElement("div"), { className: "scrolls", tabIndex: 0 });
    const shown = document.createElement("table");
    const head = shown.createTHead().insertRow();
    header.forEach((title, i) => head.append(Object.assign(document.createElement("th"), { textContent: title, className: i < words ? "" : "number", scope: "col" })));
    const body = shown.createTBody();
    for (const row of rows) {
      const line = body.insertRow();
      row.forEach((text, i) => Object.assign(line.insertCell(), { textContent: text, className: i < words ? "" : "number" }));
    }
    box.append(shown);
    return box;
  }

  /* The key: a line for each frontier, largest area first. */
  function listAreas() {
    const frontiers = new Map(curves.map((curve) => [`${curve.family} ${curve.objective}`, curve]));
    const rows = [...frontiers.values()].map((curve) => {
      const area = data.areas.find((one) => ["measure", "family", ...CHOICES].every((key) => one[key] === curve[key]));
      const label = families.get(curve.family).label + (several("objective") ? `, ${objectives.get(curve.objective).label}` : "");
      return { label, auc: area ? area.auc : null, low: area ? area.low : null, high: area ? area.high : null, ...style(curve) };
    }).sort((a, b) => b.auc - a.auc);
    const lines = rows.map((row) => [row.label, row.auc === null ? "—" : row.auc.toFixed(3),
      row.low === null ? "" : `[${row.low.toFixed(3)}, ${row.high.toFixed(3)}]`]);
    const shown = table(["Strategy", "Trade-off AUC", "Interval"], lines, 1);
    shown.querySelectorAll("tbody tr").forEach((line, i) => line.cells[0].prepend(swatch(rows[i].colour, rows[i].dash), " "));
    element("areas").replaceChildren(...(rows.length ? [shown] : []));
  }

  function listNumbers() {
    const rows = curves.flatMap((curve) => curve.step.map((step, i) => [named(curve), step.toLocaleString("en"), percent(curve.accuracy[i]),
      range(curve.low[i], curve.high[i]), percent(curve.robustness[i]), range(curve.robustness_low[i], curve.robustness_high[i]), curve.best[i] ? "yes" : ""]));
    element("numbers").replaceChildren(table(["Strategy", "Step", "Accuracy (%)", "Interval", `${measure().robustness}, %`, "Interval", "On the frontier"], rows, 1));
  }

  function start() {
    if (!data.measures.length) {
      element("explore").replaceChildren(Object.assign(document.createElement("h2"), { textContent: "Explore" }),
        "Nothing to explore: list an attack, a shift or a corruption probe in study.probes.");
      return;
    }
    CHOICES.forEach((key) => fillSelect(key, [...new Set(data.panels.map((panel) => panel[key]))].map((value) => [value, key === "objective" ? objectives.get(value).label : value])));
    if (data.objectives.length > 1) fillSelect("objective", [[ALL, "all objectives"]]);
    fillMeasures();
    addStrategies();
    choose();
    element("controls").addEventListener("change", choose);
    element("controls").addEventListener("submit", (event) => event.preventDefault());
    for (const [id, checked] of [["all", true], ["none", false]]) {
      element(id).addEventListener("click", () => { boxes().forEach((box) => { box.checked = checked; }); choose(); });
    }
    for (const id of PLOTS) {
      element(id).on("plotly_hover", (event) => {
        const { curveNumber, pointNumber } = event.points[0];
        if (curveNumber < curves.length) point(curveNumber, pointNumber, id);
      });
      element(id).on("plotly_unhover", () => {
        if (!at) return;
        at = null;
        PLOTS.forEach((other) => Plotly.Fx.unhover(other));
      });
      element(id).addEventListener("keydown", onKey);
    }
    // On paper a plot has a size of its own, since a page is announced before it is laid out.
    const sized = (width, heights) => PLOTS.forEach((id, i) => Plotly.relayout(id, { width, height: heights[i], autosize: !width }));
    window.addEventListener("beforeprint", () => {
      PLOTS.forEach((id) => Plotly.Fx.unhover(id)); // the boxes of the snapshot pointed at hide what is below them
      sized(660, [440, 270, 270]);
    });
    window.addEventListener("afterprint", () => sized(null, [null, null, null]));
  }

  start();
})();
