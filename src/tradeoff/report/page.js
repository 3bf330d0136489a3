"use strict";
// The plots of the page: controls choose what is drawn; pointing at a snapshot shows it in every plot that has it.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const element = (id) => document.getElementById(id);
  const families = new Map(data.families.map((family) => [family.name, family]));
  const objectives = new Map(data.objectives.map((objective) => [objective.name, objective]));
  // A run by one measure: its snapshots, with accuracy from the course it shares with other measures.
  const everyCurve = data.curves.map((curve) => {
    const course = data.courses[curve.course];
    const run = data.runs[course.run];
    const kept = (values) => (curve.at ? curve.at.map((i) => values[i]) : values);
    const shared = Object.fromEntries(["step", "epoch", "accuracy", "low", "high"].map((key) => [key, kept(course[key])]));
    return { ...data.panels[run.panel], ...run, ...curve, ...shared, run: course.run, n: course.n, of: curve.robustness_n || course.n };
  });
  const ALL = "*"; // every objective; params allow no such name
  const CHOICES = ["dataset", "backbone", "objective"];
  const PLOTS = ["frontier", "accuracy", "robustness"];
  // These buttons and no other: one of Plotly's own would send the data elsewhere.
  const CONFIG = { responsive: true, displaylogo: false, modeBarButtons: [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]] };
  const FONT = { family: "system-ui, 'Segoe UI', 'Liberation Sans', Arial, sans-serif", size: 13, color: "#1b1b1b" };
  const TOUCH = window.matchMedia("(pointer: coarse)").matches; // a finger scrolls the page, and must not zoom
  let curves = []; // the ones chosen, in the order of the first traces of each plot
  let at = null; // the snapshot pointed at: [curve, snapshot]
  let scores = []; // strategies with their area and cost, by rising cost: a trace each
  let scored = -1; // the one pointed at
  let following = false; // whether their plot has been told to show what is pointed at

  // Plotly reads a little HTML in labels: names are to be taken as they are.
  const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const percent = (share) => (100 * share).toFixed(1);
  const range = (low, high) => `[${percent(low)}, ${percent(high)}]`;
  const measure = () => data.measures.find((one) => one.key === chosen("measure"));
  const several = (key) => new Set(curves.map((curve) => curve[key])).size > 1;
  const named = (curve) => curve.name + (several("objective") ? `, ${objectives.get(curve.objective).label}` : "") + (several("seed") ? `, seed ${curve.seed}` : "");
  const chosen = (key) => element(key).value;
  const belongs = (one) => CHOICES.every((key) => chosen(key) === ALL || one[key] === chosen(key));

  const across = () => data.measures.find((one) => one.key === chosen("across")); // none: accuracy

  function fillSelect(id, options) {
    for (const [value, label] of options) element(id).add(new Option(label, value));
  }

  /* Measures stand under the name of their probe. */
  function fillMeasures(id) {
    for (const name of new Set(data.measures.map((one) => one.group))) {
      const group = Object.assign(document.createElement("optgroup"), { label: name });
      data.measures.filter((one) => one.group === name).forEach((one) => group.append(new Option(one.label, one.key)));
      element(id).append(group);
    }
  }

  const GAPS = { solid: "none", dash: "6 3", dashdot: "6 2 2 2", dot: "2 2" };

  const round = (corners, radius, turn) => [...Array(corners).keys()].map((i) => {
    const angle = 2 * Math.PI * (i / corners) + turn;
    const reach = Array.isArray(radius) ? radius[i % radius.length] : radius;
    return [reach * Math.sin(angle), -reach * Math.cos(angle)];
  });
  const CROSS = [[-2, -5], [2, -5], [2, -2], [5, -2], [5, 2], [2, 2], [2, 5], [-2, 5], [-2, 2], [-5, 2], [-5, -2], [-2, -2]];
  // Corners of markers around (0, 0), of about the sizes that Plotly gives them.
  const MARKERS = { circle: round(24, 5, 0), square: round(4, 6.2, Math.PI / 4), diamond: round(4, 6.2, 0), cross: CROSS,
    x: CROSS.map(([x, y]) => [0.7 * (x - y), 0.7 * (x + y)]), pentagon: round(5, 5.5, 0), hexagon: round(6, 5.5, 0), star: round(10, [6, 2.6], 0),
    "triangle-up": round(3, 6, 0), "triangle-down": round(3, 6, Math.PI), "triangle-left": round(3, 6, -Math.PI / 2), "triangle-right": round(3, 6, Math.PI / 2) };

  /* A piece of a line with its marker, as the plots draw them. */
  function swatch({ colour, dash, symbol }) {
    const shown = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const add = (tag, attributes) => {
      const one = document.createElementNS("http://www.w3.org/2000/svg", tag);
      Object.entries(attributes).forEach(([name, value]) => one.setAttribute(name, value));
      shown.append(one);
    };
    Object.entries({ class: "swatch", width: 38, height: 14, viewBox: "-19 -7 38 14", "aria-hidden": "true" })
      .forEach(([name, value]) => shown.setAttribute(name, value));
    add("line", { x1: -18, x2: 18, y1: 0, y2: 0, stroke: colour, "stroke-width": 2, "stroke-dasharray": GAPS[dash] });
    const [shape] = symbol.split(/-open|-dot/);
    if (shape === "x-thin") add("path", { d: "M-4.5-4.5 4.5 4.5M-4.5 4.5 4.5-4.5", stroke: colour, "stroke-width": 2, class: "marker" });
    else add("polygon", { points: MARKERS[shape].map((corner) => corner.map((one) => one.toFixed(2)).join()).join(" "), class: "marker",
      fill: symbol.includes("-open") ? "#fff" : colour, stroke: colour, "stroke-width": symbol.includes("-open") ? 1.5 : 0 });
    if (symbol.includes("-dot")) add("circle", { r: 1.5, fill: symbol.includes("-open") ? colour : "#fff" });
    return shown;
  }

  function addStrategies() {
    for (const family of data.families) {
      const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: true, value: family.name });
      const label = document.createElement("label");
      label.append(box, swatch(family), family.label);
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
    [...element("across").options].forEach((option) => { option.disabled = option.value === chosen("measure"); });
    if (chosen("across") === chosen("measure")) element("across").value = "";
    curves = everyCurve.filter((curve) => curve.measure === chosen("measure") && belongs(curve) && wanted.has(curve.family));
    at = null;
    element("snapshot").textContent = "";
    const counts = (key) => [...new Set(curves.map((curve) => curve[key]))].join(" or ");
    const others = counts("of") === counts("n") ? "" : `, robustness on ${counts("of")}`;
    element("choice").textContent = [...CHOICES.map((key) => element(key).selectedOptions[0].label), measure().label,
      curves.length ? `n = ${counts("n")} test images${others}` : "no run of this choice"].join(" · ");
    for (const curve of curves) curve.x = placed(curve);
    element("solid").textContent = across()
      ? "Large markers are last snapshots; a thin line joins those of a run, step by step."
      : "Solid markers lie on a frontier, faint ones do not.";
    draw();
    listAreas();
    drawScores();
    listNumbers();
  }

  /* What stands on the horizontal axis of the frontiers, at each snapshot of a curve; null where it was not measured. */
  function placed(curve) {
    if (!across()) return { value: curve.accuracy, low: curve.low, high: curve.high };
    const other = everyCurve.find((one) => one.run === curve.run && one.measure === across().key);
    const places = curve.step.map((step) => (other ? other.step.indexOf(step) : -1));
    const taken = (key) => places.map((place) => (place < 0 ? null : other[key][place]));
    return { value: taken("robustness"), low: taken("robustness_low"), high: taken("robustness_high") };
  }

  /* Colours and markers are the strategy's; where objectives are shown together, colours are the strategy's and markers the
     objective's; of a single strategy, both are the objective's. */
  function style(curve) {
    const family = families.get(curve.family);
    const objective = several("objective") ? objectives.get(curve.objective) : family;
    const line = several("family") ? family : objective;
    return { name: plain(named(curve)), symbol: objective.symbol, dash: line.dash, colour: line.colour };
  }

  /* A snapshot's values in words, line by line. */
  function told(curve, i) {
    const lines = [`accuracy ${percent(curve.accuracy[i])}% ${range(curve.low[i], curve.high[i])}`,
      `${measure().robustness}: ${percent(curve.robustness[i])}% ${range(curve.robustness_low[i], curve.robustness_high[i])}`];
    if (across() && curve.x.value[i] !== null) lines.push(`${across().robustness}: ${percent(curve.x.value[i])}% ${range(curve.x.low[i], curve.x.high[i])}`);
    return lines;
  }
  const titled = (curve, i) => `step ${curve.step[i].toLocaleString("en")} (epoch ${curve.epoch[i]})`;

  function hover(curve) {
    return curve.step.map((_, i) => `<b>${plain(named(curve))}</b>, ${[titled(curve, i), ...told(curve, i)].map(plain).join("<br>")}`);
  }

  const scaled = (shares) => shares.map((share) => (share === null ? null : 100 * share));
  const outline = (colour, symbol) => ({ color: colour, width: symbol.startsWith("x-thin") ? 2 : symbol.includes("-open") ? 1.5 : 0 });

  /* Whether a snapshot stands out: on a frontier, or, where there are none, as the last of its run. */
  const solid = (curve, i) => (across() ? i === curve.step.length - 1 : curve.best[i]);

  function frontierTraces() {
    const points = curves.map((curve) => {
      const { colour, symbol, name } = style(curve);
      return { type: "scatter", mode: across() ? "lines+markers" : "markers", x: scaled(curve.x.value), y: scaled(curve.robustness), name, showlegend: false,
        text: hover(curve), hovertemplate: "%{text}<extra></extra>", line: { color: faint(colour, 0.35), width: 1 },
        marker: { color: colour, symbol, size: curve.step.map((_, i) => (solid(curve, i) ? 9 : 6)),
          opacity: curve.step.map((_, i) => (solid(curve, i) ? 1 : across() ? 0.5 : 0.3)), line: outline(colour, symbol) } };
    });
    return points.concat(across() ? [] : stairs(), curves.map(bars));
  }

  const faint = (colour, alpha) => `rgba(${[1, 3, 5].map((place) => parseInt(colour.slice(place, place + 2), 16)).join()},${alpha})`;

  /* The intervals of the snapshots that stand out. */
  function bars(curve) {
    const places = curve.step.map((_, i) => i).filter((i) => solid(curve, i) && curve.x.value[i] !== null);
    const pick = (values) => scaled(places.map((i) => values[i]));
    const bar = (value, low, high) => {
      const [middle, below, above] = [value, low, high].map(pick);
      return { type: "data", symmetric: false, array: middle.map((one, i) => above[i] - one), arrayminus: middle.map((one, i) => one - below[i]),
        color: faint(style(curve).colour, 0.35), thickness: 1, width: 0 };
    };
    return { type: "scatter", mode: "markers", x: pick(curve.x.value), y: pick(curve.robustness), hoverinfo: "skip", showlegend: false,
      marker: { size: 1, color: style(curve).colour, opacity: 0 },
      error_x: bar(curve.x.value, curve.x.low, curve.x.high), error_y: bar(curve.robustness, curve.robustness_low, curve.robustness_high) };
  }

  /* The curves chosen, those with the same key together. */
  function grouped(key) {
    const groups = new Map();
    curves.forEach((curve) => groups.set(key(curve), (groups.get(key(curve)) || []).concat(curve)));
    return [...groups.values()];
  }

  /* One staircase for each family, objective and seed: variants of a strategy share a frontier. */
  function stairs() {
    return grouped((curve) => `${curve.family} ${curve.objective} ${curve.seed}`).map((members) => {
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
        line: { color: colour, dash, width: 1.8 }, marker: { color: colour, symbol, size: 6, line: outline(colour, symbol) } };
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
    element("frontier-title").textContent = across() ? "Two measures of each snapshot" : "Frontiers";
    element("robustness-title").textContent = `${robustness} over fine-tuning`;
    // Below the frontiers and their intervals nothing happens: as in the figures, axes start at the next multiple of 5.
    const among = (limit) => curves.flatMap((curve) => limit(curve).filter((share, i) => share !== null && (across() || curve.best[i])));
    const floor = (low) => (among(low).length ? Math.max(0, 5 * Math.floor((100 * Math.min(...among(low)) - 1) / 5)) : 0);
    const ceiling = (high) => Math.min(101, 1 + 100 * Math.max(0.02, ...among(high)));
    // The threat on a line of its own, where a phone's plot would cut it.
    const inLines = (text) => plain(text).replace(/ \((.*)\)$/, " (%)<br>$1").replace(/^([^%]*)$/, "$1 (%)");
    const horizontal = across() ? inLines(across().robustness) : "Accuracy (%)";
    Plotly.react("frontier", frontierTraces(), layout(
      { title: { text: horizontal }, range: [floor((curve) => curve.x.low), ceiling((curve) => curve.x.high)] },
      { title: { text: inLines(robustness) }, range: [floor((curve) => curve.robustness_low), ceiling((curve) => curve.robustness_high)] }), CONFIG);
    Plotly.react("accuracy", stepTraces("accuracy", "low", "high"), layout(stepAxis(), { title: { text: "Accuracy (%)" } }), CONFIG);
    Plotly.react("robustness", stepTraces("robustness", "robustness_low", "robustness_high"),
      layout(stepAxis(), { title: { text: "%" } }), CONFIG);
  }

  /* Shows one snapshot in the plots and in words. */
  function point(curve, index, from) {
    if (at && at[0] === curve && at[1] === index) return;
    at = [curve, index];
    const shown = curves[curve];
    const words = [`${named(shown)}, ${titled(shown, index)}`, ...told(shown, index), ...(shown.best[index] && !across() ? ["on the frontier"] : [])];
    element("snapshot").textContent = words.join("; ");
    element("snapshot").style.borderColor = style(shown).colour;
    for (const id of PLOTS) {
      if (id === "frontier" && shown.x.value[index] === null) Plotly.Fx.unhover(id);
      else if (id !== from) Plotly.Fx.hover(id, [{ curveNumber: curve, pointNumber: index }]);
    }
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

  /* The area of a family, or of one of its variants, in a curve's panel, under the threat chosen; none for other measures. */
  const areaOf = (curve, name) => ((data.areas[curve.measure] || {})[data.runs[curve.run].panel] || {})[name];
  const withoutAreas = () => {
    if (across()) return "Frontiers and trade-off AUC are drawn over accuracy: choose it as horizontal axis to see them.";
    return data.areas[chosen("measure")] ? "" : "There is no trade-off AUC of this measure: it is the area under one attack at one ε.";
  };
  const area3 = ([auc, low, high]) => [auc.toFixed(3), low === null ? "" : `[${low.toFixed(3)}, ${high.toFixed(3)}]`];
  const familyLabel = (curve) => families.get(curve.family).label + (several("objective") ? `, ${objectives.get(curve.objective).label}` : "");

  /* The key: a line for each frontier, largest area first. */
  function listAreas() {
    const frontiers = [...new Map(curves.map((curve) => [`${curve.family} ${curve.objective}`, curve])).values()];
    const reason = withoutAreas();
    if (reason) {
      const key = Object.assign(document.createElement("p"), { className: "key" });
      for (const curve of frontiers) {
        const one = document.createElement("span");
        one.append(swatch(style(curve)), familyLabel(curve));
        key.append(one);
      }
      element("areas").replaceChildren(key, Object.assign(document.createElement("p"), { textContent: reason }));
      return;
    }
    const rows = frontiers.filter((curve) => areaOf(curve, curve.family)).sort((a, b) => areaOf(b, b.family)[0] - areaOf(a, a.family)[0]);
    const shown = table(["Strategy", "Trade-off AUC", "Interval"], rows.map((curve) => [familyLabel(curve), ...area3(areaOf(curve, curve.family))]), 1);
    shown.querySelectorAll("tbody tr").forEach((line, i) => line.cells[0].prepend(swatch(style(rows[i])), " "));
    element("areas").replaceChildren(...(rows.length ? [shown] : []));
  }

  /* Areas against what they cost: a marker for each strategy, of a swept family for each of its variants. */
  function drawScores() {
    const cost = chosen("paid");
    const groups = grouped((curve) => `${curve.strategy} ${curve.objective}`);
    scores = withoutAreas() ? [] : groups.map((runs) => {
      const [curve] = runs;
      const area = areaOf(curve, curve.strategy) || areaOf(curve, curve.family);
      return { curve, area, cost: runs.reduce((sum, run) => sum + run[cost], 0) / runs.length };
    }).filter((one) => one.area && one.cost > 0).sort((a, b) => a.cost - b.cost);
    scored = -1;
    element("score").textContent = "";
    element("price").hidden = !scores.length;
    element("price").parentElement.classList.toggle("alone", !scores.length);
    if (!scores.length) return;
    const title = element("paid").selectedOptions[0].label;
    const traces = scores.map(({ curve, area: [auc, low, high], cost: x }, i) => {
      const { colour, symbol } = style(curve);
      return { type: "scatter", mode: "markers", x: [x], y: [auc], text: [scoreWords(i).map(plain).join("<br>")], hovertemplate: "%{text}<extra></extra>",
        showlegend: false, marker: { color: colour, symbol, size: 10, line: outline(colour, symbol) },
        error_y: { type: "data", visible: low !== null, symmetric: false, array: [high - auc], arrayminus: [auc - low], color: faint(colour, 0.6), thickness: 1.2, width: 3 } };
    });
    const ends = [scores[0].cost, scores[scores.length - 1].cost];
    const range = ends.map((end, i) => Math.log10(end) + (i ? 1 : -1) * Math.max(0.15, 0.06 * Math.log10(ends[1] / ends[0])));
    Plotly.react("expense", traces, layout({ type: "log", title: { text: title }, range, ...logTicks(range) },
      { title: { text: "Trade-off AUC" }, rangemode: "normal" }), CONFIG);
    if (!following) followScores();
  }

  function followScores() {
    following = true;
    element("expense").on("plotly_hover", (event) => pointScore(event.points[0].curveNumber, true));
    element("expense").addEventListener("keydown", (event) => {
      const move = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1 }[event.key];
      if (!move) return;
      event.preventDefault();
      pointScore(Math.min(Math.max(scored + move, 0), scores.length - 1), false);
    });
  }

  /* Powers of ten, or, where there are too few, some between. */
  function logTicks([low, high]) {
    const between = (digits) => {
      const ticks = [];
      for (let power = Math.floor(low); power <= high; power++) for (const digit of digits) ticks.push(digit * 10 ** power);
      return ticks.filter((tick) => Math.log10(tick) >= low && Math.log10(tick) <= high);
    };
    const tickvals = [[1], [1, 3], [1, 2, 5], [1, 2, 3, 4, 5, 6, 8]].map(between).find((ticks) => ticks.length > 2) || [...new Set(scores.map((one) => one.cost))];
    return { tickvals, ticktext: tickvals.map((tick) => Number(tick.toPrecision(3)).toLocaleString("en")) };
  }

  const scoreName = (curve) => curve.name + (several("objective") ? `, ${objectives.get(curve.objective).label}` : "");
  function scoreWords(i) {
    const { curve, area, cost } = scores[i];
    const amount = Number(cost.toPrecision(chosen("paid") === "trainable" ? 15 : 3)).toLocaleString("en");
    return [scoreName(curve), `${element("paid").selectedOptions[0].label}: ${amount}`, `trade-off AUC ${area3(area).join(" ")}`.trim()];
  }

  function pointScore(i, drawn) {
    scored = i;
    element("score").textContent = scoreWords(i).join("; ");
    element("score").style.borderColor = style(scores[i].curve).colour;
    if (!drawn) Plotly.Fx.hover("expense", [{ curveNumber: i, pointNumber: 0 }]);
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
    const label = { dataset: (name) => data.datasets[name], backbone: (name) => name, objective: (name) => objectives.get(name).label };
    CHOICES.forEach((key) => fillSelect(key, [...new Set(data.panels.map((panel) => panel[key]))].map((value) => [value, label[key](value)])));
    if (data.objectives.length > 1) fillSelect("objective", [[ALL, "all objectives"]]);
    fillMeasures("measure");
    fillMeasures("across");
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
        // Not this one: it is about to tell of the next.
        PLOTS.forEach((other) => { if (other !== id) Plotly.Fx.unhover(other); });
      });
      element(id).addEventListener("keydown", onKey);
    }
    element("paid").addEventListener("change", drawScores);
    // On paper a plot has a size of its own, since a page is announced before it is laid out.
    const HEIGHTS = { frontier: 440, accuracy: 270, robustness: 270, expense: 300 };
    const onEach = (change) => [...PLOTS, ...(scores.length ? ["expense"] : [])].forEach(change);
    window.addEventListener("beforeprint", () => onEach((id) => {
      Plotly.Fx.unhover(id); // the boxes of what is pointed at hide what is below them
      Plotly.relayout(id, { width: 660, height: HEIGHTS[id], autosize: false });
    }));
    window.addEventListener("afterprint", () => onEach((id) => Plotly.relayout(id, { width: null, height: null, autosize: true })));
  }

  start();
})();
