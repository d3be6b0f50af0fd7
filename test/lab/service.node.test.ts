import { expect, test } from 'vitest';

import { VirtualClock } from '../../lab/clock.ts';
import { Service, type ServiceOptions } from '../../lab/service.ts';

function serviceBench(options: Partial<ServiceOptions> = {}) {
  const clock = new VirtualClock();
  const service = new Service({ clock, workers: 2, workMs: () => 10, networkMs: 1, ...options });
  const ends: [number, unknown][] = [];
  const send = (signal?: AbortSignal): void => {
    service.fetch('https://a.test/', signal === undefined ? {} : { signal }).then(
      ({ status }) => ends.push([clock.now(), status]),
      (error: unknown) => ends.push([clock.now(), error]),
    );
  };
  return { clock, service, send, ends };
}

test('Service works on so many requests at once, keeps so many waiting, and refuses more with 503', async () => {
  const { clock, service, send, ends } = serviceBench({ backlog: 1 });
  for (let nth = 0; nth < 4; nth += 1) send();
  await clock.run(100);
  expect(ends).toEqual([
    [1, 503],
    [11, 200],
    [11, 200],
    [21, 200],
  ]);
  expect(service.arrived.between(0, 100)).toBe(4);
  expect(service.served.between(0, 100)).toBe(3);
  expect(service.workedMs.between(0, 100)).toBe(30);
});

test('Service goes on working for who has gone, and counts that as wasted', async () => {
  const { clock, service, send, ends } = serviceBench();
  const caller = new AbortController();
  send(caller.signal);
  clock.schedule(5, () => caller.abort('gone'));
  await clock.run(100);
  expect(ends).toEqual([[5, 'gone']]);
  expect(service.wastedMs.between(0, 100)).toBe(10);
  expect(service.served.between(0, 100)).toBe(0);
});

test('Service with heedsAbort frees its worker for the next at once', async () => {
  const { clock, service, send, ends } = serviceBench({ workers: 1, backlog: 5, heedsAbort: true });
  const [caller, waiting] = [new AbortController(), new AbortController()];
  send(caller.signal);
  send(waiting.signal);
  send();
  clock.schedule(3, () => waiting.abort('left'));
  clock.schedule(5, () => caller.abort('gone'));
  await clock.run(100);
  expect(ends).toEqual([
    [3, 'left'],
    [5, 'gone'],
    [15, 200],
  ]);
  expect(service.wastedMs.between(0, 100)).toBe(0);
});

test('Service loses what it was at in a crash, refuses connections, and works again after a restart', async () => {
  const { clock, service, send, ends } = serviceBench({ workers: 1, backlog: 5 });
  send();
  send();
  clock.schedule(5, () => service.crash());
  clock.schedule(6, () => send());
  clock.schedule(20, () => service.restart());
  clock.schedule(21, () => send());
  await clock.run(100);
  const refused = expect.objectContaining({ message: 'fetch failed' });
  expect(ends).toEqual([
    [5, refused],
    [5, refused],
    [7, refused],
    [32, 200],
  ]);
});

test('Service hangs until its caller leaves, answers with a status, and gets slow with many', async () => {
  const { clock, service, send, ends } = serviceBench({ workers: 4, slowdown: (busy) => busy });
  service.condition = 'hangs';
  const caller = new AbortController();
  send(caller.signal);
  clock.schedule(40, () => caller.abort('enough'));
  clock.schedule(45, () => {
    service.condition = 502;
    send();
  });
  clock.schedule(50, () => {
    service.condition = 'up';
    send();
    send();
  });
  await clock.run(100);
  expect(ends).toEqual([
    [40, 'enough'],
    [46, 502],
    [61, 200],
    [71, 200],
  ]);
});

test('Service.pause() stops all work for so long', async () => {
  const { clock, service, send, ends } = serviceBench();
  send();
  clock.schedule(5, () => service.pause(50));
  await clock.run(100);
  expect(ends).toEqual([[55, 200]]);
});

test('Service.ask holds a worker until others have answered', async () => {
  const { clock, send, ends } = serviceBench({
    workers: 1,
    backlog: 5,
    ask: async () => {
      await clockOf().sleep(20);
      return 504;
    },
  });
  const clockOf = (): VirtualClock => clock;
  send();
  send();
  await clock.run(100);
  expect(ends).toEqual([
    [31, 504],
    [61, 504],
  ]);
});
