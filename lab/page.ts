import type { Finding } from './experiment.ts';
import type { Outcome } from './outcome.ts';
import { amountOf } from './report.ts';
import type { Plan } from './study.ts';

/** The studies of a plan as one page, which needs nothing else. */
export function pageOf(plan: Plan, outcomes: readonly Outcome[]): string {
  const { policy, ...world } = plan;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Your policy in the lab</title>
<style>
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 920px; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 } th, td { text-align: right; padding: .3rem .8rem; border-bottom: 1px solid #8884 }
th:first-child, td:first-child { text-align: left } tr:first-of-type td { font-weight: 600 }
pre { background: #8881; padding: 1rem; overflow: auto } svg { max-width: 100%; height: auto; display: block; margin: 1rem 0 }
</style>
<h1>Your policy in the lab</h1>
<p>The real library, on a virtual clock, between ${world.instances} instances that make ${world.callsPerSecond} calls a second together and a service that can serve ${world.capacityPerSecond}. Trouble lasts from second 20 to second 50.</p>
<pre>${escaped(JSON.stringify({ policy, ...world }, undefined, 2))}</pre>
${outcomes.map(section).join('\n')}
</html>
`;
}

function section({ title, hypothesis, findings, figures }: Outcome): string {
  return `<h2>${escaped(title)}</h2>
<p>${escaped(hypothesis)}</p>
${tableOf(findings)}
${figures.map(({ svg }) => svg).join('\n')}`;
}

/** A row for each of what is compared, a column for each measure. */
function tableOf(findings: readonly Finding[]): string {
  const rows = Map.groupBy(findings, ({ of = '' }) => of);
  const measures = [...new Set(findings.map(({ claim }) => claim))];
  const cells = (of: readonly Finding[]): string =>
    measures.map((measure) => `<td>${of.filter(({ claim }) => claim === measure).map(amountOf)}</td>`).join('');
  return `<table><thead><tr><th></th>${measures.map((measure) => `<th>${escaped(measure)}</th>`).join('')}</tr></thead>
<tbody>${[...rows].map(([of, all]) => `<tr><td>${escaped(of)}</td>${cells(all)}</tr>`).join('')}</tbody></table>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
