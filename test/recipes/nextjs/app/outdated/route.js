import { revalidateTag } from 'next/cache';

/** What is tagged may be shown once more, while it is asked for anew. */
export function POST() {
  revalidateTag('products', 'max');
  return new Response();
}
