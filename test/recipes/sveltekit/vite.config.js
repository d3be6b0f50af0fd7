import { sveltekit } from '@sveltejs/kit/vite';

const { PAGE: page, LIBRARY: library } = process.env;

/** Writes the app as one module, whose `server` answers requests. */
const adapter = {
  name: 'one-module',
  adapt: (builder) => builder.generateServerInstance(builder.getBuildDirectory('app.js')),
};

export default {
  plugins: [sveltekit({ adapter })],
  resolve: {
    alias: {
      '#recipe': `${page}/src/lib/api.ts`,
      '#page': `${page}/src/routes/+page.js`,
      '#hooks': `${page}/src/hooks.server.js`,
      steadfetch: library,
    },
  },
  logLevel: 'warn',
};
