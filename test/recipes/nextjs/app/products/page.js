import { products } from '#recipe';

// Where the upstream is, the test says: it is known once the app runs.
export default async function Products({ searchParams }) {
  const { upstream } = await searchParams;
  const told = await products(upstream).catch(({ code }) => code);
  return <p>{String(told)}</p>;
}
