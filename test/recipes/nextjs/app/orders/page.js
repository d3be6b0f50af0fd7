import { headers } from 'next/headers';
import { orders } from '#recipe';

export default async function Orders({ searchParams }) {
  const visitor = await headers();
  const { upstream } = await searchParams;
  const told = await orders(upstream, visitor.get('cookie')).catch(({ code }) => code);
  return <p>{String(told)}</p>;
}
