// The page: it shows what it can, says what it shows, and recovers by itself.
import 'steadfetch/devtools';
import { api, client, control, degraded } from './api.ts';
import { find, say, showSections, tellAges } from './sections.ts';
import { ago, reasonInWords } from './words.ts';

const REFRESH_MS = 2_000;

find<HTMLElementTagNameMap['steadfetch-devtools']>('steadfetch-devtools').client = client;
followDegradation();
takeOrders();
takeControl();
void keepFresh();
// What was missed is caught up with at once, not at the next turn.
addEventListener('online', () => void showSections());

async function keepFresh(): Promise<void> {
  for (;;) {
    // A tab that nobody sees asks for nothing.
    if (!document.hidden) await showSections();
    await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
  }
}

/** One banner for the whole page, as long as anything is degraded. Its age is not read out: only the reason is news. */
function followDegradation(): void {
  const banner = find('#banner');
  const update = (): void => {
    const [first] = degraded.getSnapshot().dependencies;
    banner.hidden = first === undefined;
    if (first === undefined) return;
    say(find('.why', banner), `We are having trouble: ${reasonInWords(first.reason)}.`);
    say(find('.age', banner), first.asOf === undefined ? '' : `Showing results from ${ago(Date.now() - first.asOf)}.`);
  };
  degraded.subscribe(update);
  // Ages grow without anything happening.
  setInterval(() => {
    update();
    tellAges();
  }, 1_000);
}

// Errors of a call that was never sent.
const UNSENT: readonly unknown[] = ['CIRCUIT_OPEN', 'BULKHEAD_FULL', 'QUEUE_TIMEOUT', 'CLOSED'];

/** An order is sent, or it is not: it is never answered from a store. */
function takeOrders(): void {
  const form = find<HTMLFormElement>('#order');
  const note = find('.note', form);
  const button = find<HTMLButtonElement>('button', form);
  /** The same for each try: the shop can tell that it is one order. */
  let key = crypto.randomUUID();
  form.addEventListener('input', () => {
    key = crypto.randomUUID();
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    const order = Object.fromEntries(new FormData(form)) as Record<string, string>;
    void send(order).finally(() => {
      button.disabled = false;
    });
  });

  async function send(order: Readonly<Record<string, string>>): Promise<void> {
    say(note, 'Sending your order …');
    try {
      // A shop may take its time over an order.
      const options = { json: order, headers: { 'idempotency-key': key }, attemptTimeoutMs: 3_500 };
      const { number } = await api.post('orders', options).json<{ readonly number: number }>();
      if (typeof number !== 'number') throw new TypeError('That is no order');
      key = crypto.randomUUID();
      say(note, `Thank you, ${order['name']}: your order has the number ${number}.`);
    } catch (error) {
      const { response, code } = error as { readonly response?: Response; readonly code?: unknown };
      const isRefused = response !== undefined || UNSENT.includes(code) || !navigator.onLine;
      say(
        note,
        isRefused
          ? 'We’re having trouble taking orders right now. Nothing was ordered; please try again.'
          : 'We’re having trouble, and can’t tell whether your order has arrived. Please try again: it will not be ordered twice.',
      );
    }
  }
}

/** What the browser says when the network is lost, or back. */
function pretend(isOffline: boolean): void {
  Object.defineProperty(navigator, 'onLine', { value: !isOffline, configurable: true });
  dispatchEvent(new Event(isOffline ? 'offline' : 'online'));
}

function takeControl(): void {
  const form = find<HTMLFormElement>('#control');
  let asked = 0;
  form.addEventListener('input', ({ target }) => {
    const { name, value } = target as HTMLInputElement;
    if (name === 'mode' && (value === 'offline') === navigator.onLine) pretend(value === 'offline');
    // What was not touched here may have been, in another tab.
    void set({ [name]: value === 'offline' ? 'drop' : value });
  });
  addEventListener('focus', () => void set({}));
  // As it was left, by whoever had the page open before.
  void set({});

  async function set(settings: Readonly<Record<string, string>>): Promise<void> {
    asked += 1;
    const mine = asked;
    const state = await control(settings).catch(() => undefined);
    // A reply that comes late says what was, not what is.
    if (state === undefined || mine !== asked) return;
    const { mode, latencyMs, errorShare } = state;
    find<HTMLSelectElement>('[name=mode]', form).value = navigator.onLine ? String(mode) : 'offline';
    find<HTMLInputElement>('[name=latencyMs]', form).value = String(latencyMs);
    find<HTMLInputElement>('[name=errorShare]', form).value = String(errorShare);
    find('[name=latency]', form).textContent = `${latencyMs} ms`;
    find('[name=errors]', form).textContent = `${Math.round(Number(errorShare) * 100)} %`;
  }
}
