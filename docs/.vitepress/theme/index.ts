import type { Theme } from 'vitepress';
// Without fonts: the reader's own are as good, and nothing is loaded for them.
import DefaultTheme from 'vitepress/theme-without-fonts';
import { defineAsyncComponent } from 'vue';

import './style.css';

export default {
  extends: DefaultTheme,
  enhanceApp({ app }) {
    // Loaded with its page, and with no other.
    app.component(
      'Playground',
      defineAsyncComponent(() => import('../../../playground/PlaygroundPage.vue')),
    );
  },
} satisfies Theme;
