import type { Theme } from 'vitepress';
// Without fonts: the reader's own are as good, and nothing is loaded for them.
import DefaultTheme from 'vitepress/theme-without-fonts';

import './style.css';

export default { extends: DefaultTheme } satisfies Theme;
