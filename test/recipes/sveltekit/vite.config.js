import { sveltekit } from '@sveltejs/kit/vite';

const { RECIPE: recipe, LIBRARY: library } = process.env;

/** Writes the app as one module, whose `server` answers requests. */
const adapter = {
  name: 'one-module',
  adapt: (builder) => builder.generateServerInstance(builder.getBuildDirectory('app.js')),
};

export default {
  plugins: [sveltekit({ adapter })],
  resolve: { alias: { '#recipe': recipe, steadfetch: library } },
  logLevel: 'warn',
};
