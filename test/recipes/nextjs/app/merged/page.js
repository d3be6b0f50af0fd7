import { cache } from 'react';
import { createClient } from 'steadfetch';

const client = createClient();
const cached = cache((url) => client.json(url));
const { signal } = new AbortController();

const ways = {
  fetch: (url) => fetch(url),
  signal: (url) => fetch(url, { signal }),
  client: (url) => client.json(url),
  cache: cached,
};

async function Part({ by, upstream }) {
  await ways[by](upstream);
  return <p>{by}</p>;
}

/** Two parts of a page that ask the same. */
export default async function Merged({ searchParams }) {
  const asked = await searchParams;
  return (
    <>
      <Part {...asked} />
      <Part {...asked} />
    </>
  );
}
