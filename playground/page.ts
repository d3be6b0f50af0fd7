import type { SteadfetchDevtools } from 'steadfetch/devtools';
import { defineComponent, onMounted, onUnmounted, reactive, ref, shallowRef, watch } from 'vue';

import { type Breakage, breakages } from './breakage.ts';
import { browserFrames } from './browser-frames.ts';
import { Pace } from './pace.ts';
import { readPolicy } from './policy.ts';
import { presets } from './presets.ts';
import type { Fate } from './tally.ts';
import { viewOf } from './view.ts';
import { percentInWords, timeInWords, waitInWords } from './words.ts';
import { World } from './world.ts';

/** What a visitor can set. */
interface Controls {
  /** The policy, as it stands in the editor. */
  text: string;
  isBroken: boolean;
  breakage: Breakage;
  usersPerSecond: number;
  speed: number;
}

const FATES: readonly { readonly fate: Fate; readonly word: string }[] = [
  { fate: 'fresh', word: 'answered' },
  { fate: 'degraded', word: 'answered from the store' },
  { fate: 'refused', word: 'refused at once' },
  { fate: 'failed', word: 'failed' },
  { fate: 'waiting', word: 'no answer yet' },
];
const SPEEDS = [
  { speed: 0, word: 'Pause' },
  { speed: 1, word: '1×' },
  { speed: 10, word: '10×' },
];
// As often as the panel. Who wants less motion gets less.
const REDRAW_MS = 250;
const CALM_REDRAW_MS = 1_000;

/** The playground: a world that runs while it is in the page. PlaygroundPage.vue is what it looks like. */
export default defineComponent({
  setup() {
    const controls = reactive<Controls>({
      text: presets[0].text,
      isBroken: false,
      breakage: 'errors',
      usersPerSecond: 10,
      speed: 1,
    });
    const world = new World(readPolicy(controls.text), { epochStart: Date.now() });
    const view = shallowRef(viewOf(world));
    /** The text of the policy that runs. */
    const applied = ref(controls.text);
    /** What is wrong with the one in the editor. */
    const problem = ref('');
    /** Why time does not pass as it should. */
    const notice = ref('');
    /** Where the panel goes. */
    const place = ref<HTMLElement>();
    let panel: SteadfetchDevtools | undefined;

    const calm = matchMedia('(prefers-reduced-motion: reduce)');
    let drawnAt = -Infinity;
    const draw = (): void => {
      view.value = viewOf(world);
      notice.value = noticeOf(world, pace);
    };
    const pace = new Pace(world, (at) => {
      if (at - drawnAt < (calm.matches ? CALM_REDRAW_MS : REDRAW_MS)) return;
      drawnAt = at;
      draw();
    });

    watch([() => controls.isBroken, () => controls.breakage], ([isBroken, breakage], [wasBroken]) => {
      if (isBroken) world.break(breakage);
      else if (wasBroken) world.heal();
      draw();
    });
    watch(controls, ({ usersPerSecond, speed, text }) => {
      world.usersPerSecond = usersPerSecond;
      pace.speed = speed;
      problem.value = problemOf(text);
    });

    onMounted(async () => {
      pace.start(browserFrames());
      const { SteadfetchDevtools } = await import('steadfetch/devtools');
      // Undefined if the page was left meanwhile.
      if (place.value === undefined) return;
      panel = new SteadfetchDevtools();
      panel.client = world.client;
      place.value.append(panel);
    });
    onUnmounted(() => {
      pace.stop();
      void world.client.close();
    });

    function apply(): void {
      problem.value = problemOf(controls.text);
      if (problem.value !== '') return;
      world.apply(readPolicy(controls.text));
      applied.value = controls.text;
      if (panel !== undefined) panel.client = world.client;
      draw();
    }

    function choose(text: string): void {
      controls.text = text;
      apply();
    }

    const words = { percentInWords, timeInWords, waitInWords };
    return {
      controls,
      view,
      applied,
      problem,
      notice,
      place,
      apply,
      choose,
      presets,
      breakages,
      FATES,
      SPEEDS,
      ...words,
    };
  },
});

function noticeOf({ excess }: World, { isLate }: Pace): string {
  if (excess !== undefined) {
    return `Time has stopped: ${excess}, and this page can hold no more. Apply another policy, and it goes on.`;
  }
  return isLate ? 'So much happens that this page can’t keep up: time passes more slowly than it should.' : '';
}

function problemOf(text: string): string {
  try {
    readPolicy(text);
    return '';
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  }
}
