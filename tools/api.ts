// `npm run api`: writes api/, the public surface as text. `npm run api -- --check` only looks whether it is so.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { differences, readReports, reportApi } from './api-report.ts';

const folder = 'api';
mkdirSync(folder, { recursive: true });
const { reports, unnamed } = reportApi();
const changed = differences(readReports(folder), reports);

if (unnamed.length > 0) {
  console.error(
    `Types of the public surface that nobody can name, because no entry exports them: ${unnamed.join(', ')}`,
  );
  process.exitCode = 1;
}
if (process.argv.includes('--check')) {
  if (changed.length > 0) {
    const files = changed.map((file) => join(folder, file)).join(', ');
    console.error(
      `The public surface has changed: ${files}. If that is meant to be, run \`npm run api\`, and commit what it writes.`,
    );
    process.exitCode = 1;
  }
} else {
  for (const file of changed) {
    const report = reports.get(file);
    if (report === undefined) rmSync(join(folder, file));
    else writeFileSync(join(folder, file), report);
    console.log(`${report === undefined ? 'Removed' : 'Wrote'} ${join(folder, file)}`);
  }
}
