import { connection } from 'next/server';
import { createClient } from 'steadfetch';

const client = createClient({ fetch: (input, init) => fetch(input, init) });

export default async function Announced() {
  await connection();
  console.log('announced: asks');
  await client.json('http://127.0.0.1:65535/', { cache: 'no-store' });
  return <p>announced</p>;
}
