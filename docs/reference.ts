import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Application, type TypeDocOptions } from 'typedoc';
import type { PluginOptions } from 'typedoc-plugin-markdown';

import tsup from '../tsup.config.ts';

const repository = fileURLToPath(new URL('..', import.meta.url));

/** Writes the reference to docs/api, a page for each name that the package exports. What TypeDoc warns of is an error. */
export async function writeReference(): Promise<void> {
  const options: Partial<TypeDocOptions & PluginOptions & { readonly docsRoot: string }> = {
    entryPoints: Object.values((tsup as { readonly entry: Readonly<Record<string, string>> }).entry),
    tsconfig: join(repository, 'tsconfig.json'),
    plugin: ['typedoc-plugin-markdown', 'typedoc-vitepress-theme'],
    docsRoot: join(repository, 'docs'),
    out: join(repository, 'docs/api'),
    readme: 'none',
    name: 'API',
    disableSources: true,
    excludeInternal: true,
    excludePrivate: true,
    validation: { notExported: true, invalidLink: true, notDocumented: false },
    useHTMLEncodedBrackets: true,
    logLevel: 'Warn',
  };
  const app = await Application.bootstrapWithPlugins(options);
  const project = await app.convert();
  if (project !== undefined) {
    app.validate(project);
    await app.generateOutputs(project);
  }
  if (app.logger.hasErrors()) throw new Error('The reference is not in order: see above');
}
