import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  Application,
  type DeclarationReflection,
  type ProjectReflection,
  ReflectionKind,
  type TypeDocOptions,
} from 'typedoc';
import type { PluginOptions } from 'typedoc-plugin-markdown';

import { entries } from '../../rolldown.config.ts';

const repository = fileURLToPath(new URL('../..', import.meta.url));

const DISPOSAL = 'steadfetch.Client.[asyncDispose]';

const options: Partial<TypeDocOptions & PluginOptions & { readonly docsRoot: string }> = {
  entryPoints: Object.values(entries).map((path) => join(repository, path)),
  tsconfig: join(repository, 'tsconfig.json'),
  plugin: ['typedoc-plugin-markdown', 'typedoc-vitepress-theme'],
  docsRoot: join(repository, 'docs'),
  out: join(repository, 'docs/api'),
  name: 'API',
  readme: 'none',
  disableSources: true,
  excludeInternal: true,
  // What a custom element has from the platform.
  excludeExternals: true,
  // It has its line in the comment of its interface.
  intentionallyNotDocumented: [DISPOSAL],
  validation: { notExported: true, invalidLink: true, notDocumented: true },
  // Properties: see below.
  requiredToBeDocumented: ['Class', 'Interface', 'TypeAlias', 'Function', 'Method', 'Variable'],
  // What one calls comes first.
  groupOrder: [
    'Functions',
    'Classes',
    'Interfaces',
    'Type Aliases',
    'Constructors',
    'Properties',
    'Accessors',
    'Methods',
  ],
  kindSortOrder: ['Function', 'Class', 'Interface', 'TypeAlias'],
  navigationModel: { excludeFolders: true, excludeGroups: true, excludeCategories: true },
  useHTMLEncodedBrackets: true,
  logLevel: 'Warn',
};

/** Writes the reference to docs/api, a page for each name that the package exports. What TypeDoc warns of is an error. */
export async function writeReference(): Promise<void> {
  const app = await Application.bootstrapWithPlugins(options);
  const project = await app.convert();
  if (project !== undefined) {
    app.validate(project);
    for (const name of undocumentedProperties(project)) app.logger.warn(`${name} has no comment`);
    await app.generateOutputs(project);
  }
  if (app.logger.hasErrors() || app.logger.hasWarnings()) throw new Error('The reference is not in order: see above');
}

/** Ours that say nothing of themselves. A literal does, as `type: 'retry'`. */
function undocumentedProperties(project: ProjectReflection): readonly string[] {
  return (project.getReflectionsByKind(ReflectionKind.Property) as DeclarationReflection[])
    .filter(
      (each) =>
        !each.hasComment() && each.type?.type !== 'literal' && each.parent?.kindOf(ReflectionKind.ClassOrInterface),
    )
    .filter((each) => project.getSymbolIdFromReflection(each)?.packageName === project.packageName)
    .map((each) => each.getFriendlyFullName())
    .filter((name) => name !== DISPOSAL);
}
