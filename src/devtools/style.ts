const sheets = new WeakMap<Document, CSSStyleSheet>();

/**
 * The panel's look. A sheet made by script, which a page's Content-Security-Policy allows; one for all panels of a document,
 * since no other takes it; `undefined` for one that nobody looks at.
 */
export function panelStyle(page: Document): CSSStyleSheet | undefined {
  const known = sheets.get(page);
  if (known !== undefined || page.defaultView === null) return known;
  const sheet = new page.defaultView.CSSStyleSheet();
  sheet.replaceSync(CSS);
  sheets.set(page, sheet);
  return sheet;
}

const CSS = `
:host {
  color-scheme: light dark;
  --ink: light-dark(#17212b, #e8edf2);
  --muted: light-dark(#4c5a67, #aab7c3);
  --paper: light-dark(#ffffff, #141c24);
  --plot: light-dark(#f5f6f8, #0d141a);
  --line: light-dark(#d8dde2, #2b3742);
  --accent: light-dark(#0b5c7a, #7cc7e4);
  --success: light-dark(#1d7a4c, #67cf9b);
  --failure: light-dark(#b3261e, #ff8f86);
  --on-failure: light-dark(#ffffff, #35090a);
  --stored: light-dark(#0b5c7a, #7cc7e4);
  --degraded: light-dark(#8a5a00, #e8bf5b);
  --default: light-dark(#7a3b8f, #d3a2e4);
  display: block;
  font: 0.875rem / 1.45 system-ui, sans-serif;
  color: var(--ink);
  text-align: start;
  container-type: inline-size;
}
:host([hidden]) { display: none; }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
.panel {
  padding: 0.9rem;
  background: var(--paper);
  border: 1px solid var(--line);
  border-radius: 0.6rem;
  overflow-wrap: anywhere;
}
header { display: flex; flex-wrap: wrap; align-items: end; gap: 0.5rem 1rem; }
.title { flex: 1 1 14rem; }
h2, h3, p, dl, dd, ul { margin: 0; padding: 0; }
h2 { font-size: 1.05rem; line-height: 1.3; }
h3 { font-size: inherit; font-weight: inherit; }
.overall, .readout, .empty, .more, .trouble, .since, .why, .gotten { color: var(--muted); }
.overall { font-variant-numeric: tabular-nums; }
.tools { display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: center; }
label { display: inline-flex; gap: 0.4rem; align-items: center; color: var(--muted); }
button, select, input {
  font: inherit;
  color: var(--ink);
  background: var(--paper);
  border: 1px solid var(--muted);
  border-radius: 0.35rem;
  padding: 0.2rem 0.55rem;
  min-height: 1.9rem;
}
input { width: 9rem; }
button { cursor: pointer; }
button.pressed { color: var(--paper); background: var(--accent); border-color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
ul { list-style: none; }
.list { display: grid; grid-template-columns: minmax(0, 1fr); margin-top: 0.7rem; }
.list > li { border-top: 1px solid var(--line); padding: 0.45rem 0 0.5rem; }
h3 > button {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 0.1rem 0.5rem;
  width: 100%;
  padding: 0.15rem 0;
  text-align: start;
  background: none;
  border: 0;
}
.arrow { flex: none; width: 0.7rem; fill: none; stroke: var(--muted); stroke-width: 1.6; }
[aria-expanded="true"] > .arrow { transform: rotate(90deg); }
.name { flex: 1 1 9rem; font-weight: 600; font-size: 0.95rem; }
.status { display: inline-flex; align-items: center; gap: 0.4rem; white-space: nowrap; }
.icon { flex: none; width: 0.8rem; fill: none; stroke: var(--muted); stroke-width: 2; }
.state { font-weight: 600; }
[data-state="closed"] .icon { stroke: var(--success); }
[data-state="half-open"] .icon { stroke: var(--degraded); fill: var(--degraded); }
[data-state="open"] .icon { stroke: var(--failure); fill: var(--failure); }
[data-state="open"] .state { color: var(--failure); }
[data-state="half-open"] .state { color: var(--degraded); }
.summary, .trouble { padding-inline-start: 1.2rem; font-variant-numeric: tabular-nums; }
.summary > :not(:empty) ~ :not(:empty)::before { content: " · "; }
[data-state="open"] .why, [data-state="half-open"] .why { color: var(--ink); }
.details { padding: 0.5rem 0 0.2rem; }
.chart {
  background: var(--plot);
  border: 1px solid var(--line);
  border-radius: 0.4rem;
  /* As wide as it was when it was last drawn, which may be more than there is room for now. */
  overflow: clip;
  touch-action: pan-y;
}
.chart > svg { display: block; }
.chart text { font-size: 11px; fill: var(--muted); }
.chart .states text { fill: var(--on-failure); font-weight: 600; }
.grid line, .times line { stroke: var(--line); stroke-width: 1; shape-rendering: crispEdges; }
.readout { min-height: 1.45em; padding-top: 0.35rem; font-variant-numeric: tabular-nums; }
path.closed { fill: var(--success); }
path.half-open { fill: var(--degraded); }
path.open { fill: var(--failure); }
path.answered { fill: var(--success); }
path.ignored { fill: var(--plot); stroke: var(--muted); stroke-width: 1.4; }
path.failed { fill: none; stroke: var(--failure); stroke-width: 2.2; stroke-linecap: round; }
path.retried { fill: none; stroke: var(--muted); stroke-width: 1.3; }
path.refused { fill: none; stroke: var(--failure); stroke-width: 1.6; }
path.stored { fill: var(--stored); }
path.degraded { fill: var(--plot); stroke: var(--degraded); stroke-width: 1.8; }
path.default { fill: var(--default); }
.dropped { fill: var(--line); opacity: 0.5; }
.cursor { fill: none; stroke: var(--ink); stroke-width: 1.2; }
dl { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 0.3rem 0.8rem; margin-top: 0.4rem; }
dt { color: var(--muted); }
dd { font-variant-numeric: tabular-nums; }
.bar {
  display: flex;
  height: 0.7rem;
  margin: 0.2rem 0;
  background: var(--plot);
  border: 1px solid var(--muted);
  border-radius: 0.2rem;
  overflow: hidden;
}
.stacked:not(:has(> :not([hidden]))) { display: none; }
.fill { background: var(--accent); }
.full > .fill { background: repeating-linear-gradient(135deg, var(--failure) 0 4px, var(--plot) 4px 6px); }
.gauge { display: flex; align-items: center; gap: 0.6rem; }
.gauge > :first-child { flex: 0 0 8.5em; }
.gauge > .bar { flex: 1; min-width: 2rem; }
.part { flex: 0 0 0px; min-width: 3px; }
.part + .part { border-inline-start: 1px solid var(--paper); }
.parts { display: flex; flex-wrap: wrap; gap: 0 0.9rem; }
.parts > li { display: inline-flex; align-items: center; gap: 0.35rem; }
.swatch { flex: none; width: 0.75rem; height: 0.75rem; border: 1px solid var(--muted); border-radius: 0.15rem; }
.network { background: var(--success); }
.part.stored, .swatch.stored { background: var(--stored); }
.part.degraded, .swatch.degraded { background: repeating-linear-gradient(135deg, var(--degraded) 0 3px, var(--plot) 3px 5px); }
.part.default, .swatch.default { background: repeating-linear-gradient(90deg, var(--default) 0 2px, var(--plot) 2px 4px); }
.part.failed, .swatch.failed {
  background:
    repeating-linear-gradient(45deg, transparent 0 3px, var(--plot) 3px 4px),
    repeating-linear-gradient(135deg, transparent 0 3px, var(--plot) 3px 4px),
    var(--failure);
}
.empty, .more { padding: 0.6rem 0; border-top: 1px solid var(--line); margin-top: 0.7rem; }
.more { margin-top: 0; }
.legend {
  display: flex;
  flex-wrap: wrap;
  gap: 0.1rem 1rem;
  padding-top: 0.6rem;
  border-top: 1px solid var(--line);
  font-size: 0.8rem;
  color: var(--muted);
}
.legend > li { display: inline-flex; align-items: center; gap: 0.35rem; }
.legend svg { flex: none; width: 1rem; height: 1rem; }
.said {
  position: absolute;
  width: 1px;
  height: 1px;
  overflow: hidden;
  clip-path: inset(50%);
  white-space: nowrap;
}
@container (min-width: 46rem) {
  .details { display: grid; grid-template-columns: minmax(0, 1.7fr) minmax(0, 1fr); gap: 0 1.2rem; }
  dl { margin-top: 0; align-content: start; }
}
@media (prefers-reduced-motion: no-preference) {
  .arrow { transition: transform 120ms; }
  .fill { transition: width 200ms; }
}
@media (forced-colors: active) {
  :host {
    --ink: CanvasText; --muted: CanvasText; --paper: Canvas; --plot: Canvas; --line: GrayText; --accent: Highlight;
    --success: CanvasText; --failure: CanvasText; --on-failure: Canvas; --stored: CanvasText; --degraded: CanvasText; --default: CanvasText;
  }
  .bar, .bar *, .swatch, .chart text, button.pressed { forced-color-adjust: none; }
  path.retried, .cursor { stroke: Highlight; }
}
`;
