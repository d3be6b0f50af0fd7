import * as Plot from '@observablehq/plot';
import { Window } from 'happy-dom';

import type { Point } from './series.ts';

const WIDTH = 900;
const HEIGHT = 320;
const MARGIN = 20;
const HEAD = 48;
const ROW = 20;
// About what one takes, of 13 pixels.
const CHARACTER = 6.6;

// Apart for the colour-blind, too (Okabe, Ito, 2008), and readable on white and on black.
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#b8860b', '#56b4e9', '#7f7f7f'];

const STYLE = `svg { color: #1b1f24; background: #fff } .rule { stroke: #1b1f24 }
@media (prefers-color-scheme: dark) { svg { color: #e6e9ec; background: #14171a } .rule { stroke: #e6e9ec } }`;

/** A span of time that is to be seen: an outage, a spike. */
export interface Band {
  readonly fromSecond: number;
  readonly toSecond: number;
  readonly label: string;
}

export interface LineChart {
  readonly title: string;
  readonly lines: Readonly<Record<string, readonly Point[]>>;
  readonly y: string;
  readonly x?: string;
  /** By orders of magnitude. */
  readonly logarithmic?: boolean;
  readonly xLogarithmic?: boolean;
  readonly bands?: readonly Band[];
  /** What a line should not pass. */
  readonly rule?: number;
  readonly most?: number;
  /** Lines that others lie on: drawn wide, they show at both sides. */
  readonly wide?: readonly string[];
}

/** Lines over time, or over whatever else a {@link Point} was measured at. */
export function lineChart({
  title,
  lines,
  y,
  x = 'seconds',
  bands = [],
  wide = [],
  rule,
  most,
  ...scales
}: LineChart): string {
  const rows = Object.entries(lines).flatMap(([name, points]) => points.map((point) => ({ ...point, name })));
  // A logarithm has no nothing: what is less than one is drawn as that little.
  const shown = scales.logarithmic === true ? rows.map((row) => ({ ...row, value: Math.max(row.value, 0.5) })) : rows;
  return drawn(title, Object.keys(lines), {
    x: { label: x, type: scales.xLogarithmic === true ? 'log' : 'linear', tickFormat: inFull },
    y: {
      label: y,
      grid: true,
      type: scales.logarithmic === true ? 'log' : 'linear',
      tickFormat: inFull,
      ...(most === undefined ? {} : { domain: [scales.logarithmic === true ? 0.5 : 0, most] }),
      ...(most === undefined && scales.logarithmic !== true ? { zero: true } : {}),
    },
    marks: [
      Plot.rectX(bands, { x1: 'fromSecond', x2: 'toSecond', fill: 'currentColor', fillOpacity: 0.08 }),
      Plot.text(bands, {
        x: ({ fromSecond, toSecond }: Band) => (fromSecond + toSecond) / 2,
        text: 'label',
        frameAnchor: 'top',
        dy: 4,
      }),
      ...(rule === undefined ? [] : [Plot.ruleY([rule], { strokeDasharray: '4 4', strokeOpacity: 0.6 })]),
      Plot.lineY(
        shown.filter(({ name }) => wide.includes(name)),
        { x: 'second', y: 'value', stroke: 'name', strokeWidth: 5, clip: true },
      ),
      Plot.lineY(
        shown.filter(({ name }) => !wide.includes(name)),
        { x: 'second', y: 'value', stroke: 'name', strokeWidth: 2, clip: true },
      ),
    ],
  });
}

export interface BarChart {
  readonly title: string;
  /** By group, and in it by name. */
  readonly bars: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly y: string;
  readonly logarithmic?: boolean;
  /** Where a logarithmic scale begins. Default: at one, or below the least bar. */
  readonly least?: number;
  readonly rule?: number;
  readonly format?: (value: number) => string;
}

/** Bars, side by side in groups. */
export function barChart({ title, bars, y, logarithmic = false, rule, format = String, ...scale }: BarChart): string {
  const rows = Object.entries(bars).flatMap(([group, values]) =>
    Object.entries(values).map(([name, value]) => ({ group, name, value, text: format(value) })),
  );
  const names = [...new Set(rows.map(({ name }) => name))];
  const { least = logarithmic ? Math.min(...rows.map(({ value }) => value), 1) / 2 : 0 } = scale;
  return drawn(title, names, {
    fx: { label: null, domain: Object.keys(bars), padding: 0.15 },
    x: { axis: null, domain: names },
    y: { label: y, grid: true, type: logarithmic ? 'log' : 'linear', tickFormat: inFull },
    marks: [
      Plot.barY(rows, { fx: 'group', x: 'name', y1: () => least, y2: 'value', fill: 'name' }),
      Plot.text(rows, { fx: 'group', x: 'name', y: 'value', text: 'text', dy: -7 }),
      ...(rule === undefined ? [] : [Plot.ruleY([rule], { strokeDasharray: '4 4', strokeOpacity: 0.6 })]),
    ],
  });
}

function drawn(title: string, names: readonly string[], options: Plot.PlotOptions): string {
  const window = new Window();
  const plot = Plot.plot({
    document: window.document as unknown as Document,
    className: 'plot',
    width: WIDTH,
    height: HEIGHT,
    marginLeft: 60,
    marginBottom: 40,
    marginTop: 24,
    style: { fontSize: '12px' },
    color: { domain: [...names], range: COLOURS },
    ...options,
  });
  const legend = legendOf(names);
  const top = HEAD - 12 + legend.rows * ROW;
  plot.setAttribute('y', String(top));
  plot.setAttribute('font-size', '12');
  // Its own styles are for a page; this is a picture.
  plot.querySelector('style')?.remove();
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT + top}" role="img" font-family="system-ui, sans-serif" font-size="13" fill="currentColor">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
<text x="${MARGIN}" y="24" font-weight="600" font-size="15">${escaped(title)}</text>
${legend.svg}
${rounded(plot.outerHTML)}
</svg>
`;
}

/** 10,000 and 0.1, where the library writes 10k and 100m. */
function inFull(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 3 });
}

interface Legend {
  readonly svg: string;
  readonly rows: number;
}

/** Names with their colours, in as many rows as they need. */
function legendOf(names: readonly string[]): Legend {
  let x = MARGIN;
  let row = 0;
  const entries = names.map((name, index) => {
    const width = name.length * CHARACTER + 40;
    if (x > MARGIN && x + width > WIDTH) {
      x = MARGIN;
      row += 1;
    }
    const at = x;
    x += width;
    const y = HEAD + row * ROW;
    const colour = COLOURS[index % COLOURS.length];
    return `<rect x="${at}" y="${y - 10}" width="14" height="10" rx="2" fill="${colour}"/><text x="${at + 20}" y="${y}">${escaped(name)}</text>`;
  });
  return { svg: entries.join('\n'), rows: row + 1 };
}

/** A tenth of a pixel is exact enough, and a third of the file. */
function rounded(svg: string): string {
  // What is in the text is to be read as it is.
  return svg.replace(/(?<!>)\b\d+\.\d{2,}/g, (number) => String(Math.round(Number(number) * 10) / 10));
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
