import { fileURLToPath } from 'node:url';

const { RECIPE: recipe, LIBRARY: library } = process.env;

export default {
  turbopack: {
    root: fileURLToPath(new URL('../../..', import.meta.url)),
    resolveAlias: { '#recipe': recipe, steadfetch: library },
  },
};
