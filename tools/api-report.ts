import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import {
  Extractor,
  ExtractorConfig,
  ExtractorLogLevel,
  type ExtractorMessage,
  ExtractorMessageId,
} from '@microsoft/api-extractor';

import { entries } from './entries.ts';

/** What the public surface is, as text: a report for each entry, by the name of its file. */
export type ApiReports = ReadonlyMap<string, string>;

/** A type of the surface that nobody can name: `entry: name`. */
export type Unnamed = string;

// The panel's base class: `HTMLElement`, or on a server nothing.
const UNNAMED_ON_PURPOSE: readonly Unnamed[] = ['devtools: Element_2'];

/** Reads the declarations in `dist`. */
export function reportApi(): { readonly reports: ApiReports; readonly unnamed: readonly Unnamed[] } {
  const folder = mkdtempSync(join(tmpdir(), 'steadfetch-api-'));
  const forgotten = new Map<string, readonly string[]>();
  try {
    for (const { name, types } of entries) forgotten.set(name, report(name, types, folder));
    const reports = readReports(folder);
    // What the main entry exports has a name already, and is in its report.
    const known = exportedIn(reports.get('index.api.md') ?? '');
    const unnamed = [...forgotten].flatMap(([entry, names]) =>
      names.filter((name) => !known.has(name)).map((name) => `${entry}: ${name}`),
    );
    return { reports, unnamed: unnamed.filter((each) => !UNNAMED_ON_PURPOSE.includes(each)) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export function readReports(folder: string): ApiReports {
  const files = readdirSync(folder).filter((file) => file.endsWith('.api.md'));
  return new Map(files.sort().map((file) => [file, readFileSync(join(folder, file), 'utf8')]));
}

/** The files that are missing, left over, or not what they should be. */
export function differences(are: ApiReports, shouldBe: ApiReports): readonly string[] {
  const files = new Set([...are.keys(), ...shouldBe.keys()]);
  return [...files].filter((file) => are.get(file) !== shouldBe.get(file)).sort();
}

/** Writes the report of one entry, and returns the names of what it uses and does not export. */
function report(name: string, types: string, reportFolder: string): readonly string[] {
  const reportTempFolder = join(reportFolder, 'temp');
  mkdirSync(reportTempFolder, { recursive: true });
  const config = ExtractorConfig.prepare({
    configObject: {
      projectFolder: resolve('.'),
      mainEntryPointFilePath: resolve(types),
      newlineKind: 'lf',
      compiler: {
        overrideTsconfig: {
          compilerOptions: {
            ...{ strict: true, module: 'nodenext', target: 'es2022', skipLibCheck: true, types: [] },
            lib: ['es2022', 'dom', 'dom.iterable', 'dom.asynciterable', 'esnext.disposable'],
          },
          files: [resolve(types)],
        },
      },
      apiReport: {
        ...{ enabled: true, reportFolder, reportTempFolder, reportFileName: `${name}.api.md` },
        // Bases of what is exported are part of it. The other entries' are the main entry's exports, and in its report.
        includeForgottenExports: name === 'index',
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: {
        extractorMessageReporting: {
          default: { logLevel: ExtractorLogLevel.Error },
          ...Object.fromEntries(WITHOUT_MEANING.map((id) => [id, { logLevel: ExtractorLogLevel.None }])),
        },
        tsdocMessageReporting: { default: { logLevel: ExtractorLogLevel.None } },
      },
    },
    configObjectFullPath: undefined,
    packageJsonFullPath: resolve('package.json'),
  });
  const forgotten: string[] = [];
  const problems: string[] = [];
  Extractor.invoke(config, {
    localBuild: true,
    messageCallback: (message) => {
      message.handled = true;
      const symbol = forgottenIn(message);
      if (symbol !== undefined) forgotten.push(symbol);
      else if (message.logLevel === ExtractorLogLevel.Error)
        problems.push(message.formatMessageWithLocation(resolve('.')));
    },
  });
  if (problems.length > 0) throw new Error(`Cannot report the API of ${types}:\n${problems.join('\n')}`);
  return name === 'index' ? [] : forgotten;
}

// Nothing here has a release tag; and which names need words of their own is a matter of taste.
const WITHOUT_MEANING: readonly string[] = [ExtractorMessageId.MissingReleaseTag, ExtractorMessageId.Undocumented];

function forgottenIn({ messageId, text }: ExtractorMessage): string | undefined {
  return messageId === ExtractorMessageId.ForgottenExport ? /"(\w+)"/.exec(text)?.[1] : undefined;
}

function exportedIn(report: string): ReadonlySet<string> {
  // One that is called like something of the platform's is declared under another name.
  const declarations = report.matchAll(
    /^export (?:(?:abstract )?(?:class|const|function|interface|type) (\w+)|\{ (\w+) as)/gm,
  );
  return new Set(Array.from(declarations, ([, name, own = '']) => name ?? own));
}
