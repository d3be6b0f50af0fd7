import { createClient } from 'steadfetch';

const client = createClient({ fetch: (input, init) => fetch(input, init) });

/** As it is built, Next learns that it can't be static by what its fetch throws. */
export default async function Built() {
  try {
    await client.json('http://127.0.0.1:65535/', { cache: 'no-store' });
  } catch (error) {
    const [{ counters }] = Object.values(client.snapshot().dependencies);
    console.log(`built: ${error.digest} after ${counters.attempts} attempts, ${counters.failure} failure`);
    throw error;
  }
  return <p>built</p>;
}
