// The page: it shows what it can, says what it shows, and recovers by itself.
import { api, control, degraded } from './api.ts';
import { followClient } from './chart.ts';
import { find, say, showSections } from './sections.ts';
import { ago, reasonInWords } from './words.ts';

const REFRESH_MS = 2_000;

followClient();
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

/** One banner for the whole page, as long as anything is degraded. */
function followDegradation(): void {
  const banner = find('#banner');
  const update = (): void => {
    const [first] = degraded.getSnapshot().dependencies;
    banner.hidden = first === undefined;
    if (first === undefined) return;
    const age = first.asOf === undefined ? '' : ` Showing results from ${ago(Date.now() - first.asOf)}.`;
    say(banner, `We are having trouble: ${reasonInWords(first.reason)}.${age}`);
  };
  degraded.subscribe(update);
  // The age grows without anything happening.
  setInterval(update, 1_000);
}

/** An order is sent, or it is not: it is never answered from a store. */
function takeOrders(): void {
  const form = find<HTMLFormElement>('#order');
  const note = find('.note', form);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const order = Object.fromEntries(new FormData(form)) as Record<string, string>;
    void send(order);
  });

  async function send(order: Readonly<Record<string, string>>): Promise<void> {
    say(note, 'Sending your order …');
    try {
      // The same key for each try: the shop can tell that it is one order.
      const headers = { 'idempotency-key': crypto.randomUUID() };
      const { number } = await api.post('orders', { json: order, headers }).json<{ readonly number: number }>();
      say(note, `Thank you, ${order['name']}: your order has the number ${number}.`);
    } catch {
      say(note, 'We’re having trouble taking orders right now. Nothing was ordered; please try again.');
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
  form.addEventListener('input', () => {
    const settings = Object.fromEntries(new FormData(form)) as Record<string, string>;
    const isOffline = settings['mode'] === 'offline';
    if (isOffline === navigator.onLine) pretend(isOffline);
    void set(isOffline ? { ...settings, mode: 'drop' } : settings);
  });
  // As it was left, by whoever had the page open before.
  void set({});

  async function set(settings: Readonly<Record<string, string>>): Promise<void> {
    const { mode, latencyMs, errorShare } = await control(settings);
    find<HTMLSelectElement>('[name=mode]', form).value = navigator.onLine ? String(mode) : 'offline';
    find<HTMLInputElement>('[name=latencyMs]', form).value = String(latencyMs);
    find<HTMLInputElement>('[name=errorShare]', form).value = String(errorShare);
    find('[name=latency]', form).textContent = `${latencyMs} ms`;
    find('[name=errors]', form).textContent = `${Number(errorShare) * 100} %`;
  }
}
