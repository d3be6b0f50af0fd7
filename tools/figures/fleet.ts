import { writeFileSync } from 'node:fs';

import { type Outage, simulateOutage } from '../../test/support/fleet-simulation.ts';

const COUNT = 10_000;
const SECONDS = 90;
const [WIDTH, HEIGHT, LEFT, TOP, FOOT] = [900, 300, 60, 34, 40];

const x = (second: number): number => LEFT + (second / SECONDS) * (WIDTH - LEFT - 10);
// By orders of magnitude, and nothing at the bottom: one request a second and two thousand are both to be seen.
const y = (requests: number): number => {
  const share = requests <= 0 ? 0 : (Math.log10(requests) + 0.5) / (Math.log10(5_000) + 0.5);
  return HEIGHT - FOOT - share * (HEIGHT - FOOT - TOP);
};

function line({ perSecond }: Outage, name: string): string {
  // The simulation ends when all are back: what comes after that has not been measured, and is not zero.
  const points = Array.from(
    { length: Math.min(SECONDS, perSecond.length) },
    (_, second) => `${x(second).toFixed(1)},${y(perSecond[second] ?? 0).toFixed(1)}`,
  );
  return `<polyline class="${name}" points="${points.join(' ')}"/>`;
}

/** What an upstream that is down for a minute sees of ten thousand instances, with a fleet and without. */
export async function drawFleet(path: string): Promise<readonly [alone: Outage, together: Outage]> {
  const alone = await simulateOutage(COUNT, false);
  const together = await simulateOutage(COUNT, true);
  const grid = [1, 10, 100, 1_000].map(
    (requests) => `<line class="grid" x1="${LEFT}" x2="${WIDTH - 10}" y1="${y(requests)}" y2="${y(requests)}"/>
    <text x="${LEFT - 8}" y="${y(requests) + 4}" text-anchor="end">${requests.toLocaleString('en')}</text>`,
  );
  const ticks = [0, 15, 30, 45, 60, 75, 90].map(
    (second) => `<text x="${x(second)}" y="${HEIGHT - FOOT + 18}" text-anchor="middle">${second} s</text>`,
  );
  writeFileSync(
    path,
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" font-family="system-ui, sans-serif" font-size="12">
  <title>Requests per second to an upstream that is down for a minute, of 10,000 instances, with a fleet and without</title>
  <style>.back { fill: #fff } .down { fill: #d1382c22 } .grid { stroke: #d5dbe1 } text { fill: #3a4552 } polyline { fill: none; stroke-width: 2 }
    .alone { stroke: #d1382c } .together { stroke: #2f6fde } text.alone { fill: #a8261c; stroke: none } text.together { fill: #1f54b5; stroke: none }</style>
  <rect class="back" width="${WIDTH}" height="${HEIGHT}"/>
  <rect class="down" x="${x(5)}" y="${TOP}" width="${x(65) - x(5)}" height="${HEIGHT - FOOT - TOP}"/>
  <text x="${LEFT}" y="18">Requests per second to an upstream that is down from 5 s to 65 s, of ${COUNT.toLocaleString('en')} instances</text>
  ${grid.join('\n  ')}
  ${ticks.join('\n  ')}
  ${line(alone, 'alone')}
  ${line(together, 'together')}
  <text class="alone" x="${x(34)}" y="${y(1_500)}">without a fleet</text>
  <text class="together" x="${x(34)}" y="${y(3)}">with one</text>
</svg>
`,
  );
  return [alone, together];
}
