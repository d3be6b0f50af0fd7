import { defineConfig } from 'vitest/config';

// What `npm run mutation` judges the mutants by: the tests that need no browser and no server of their own.
export default defineConfig({
  test: {
    include: ['test/{model,policies,properties,client,health}/**/*.test.ts', 'test/*.test.ts'],
    exclude: ['test/**/*.{node,workerd,browser}.test.ts', 'test/properties/composition.test.ts'],
  },
});
