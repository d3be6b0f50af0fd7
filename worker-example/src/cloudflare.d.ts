// What is used of it. The platform's own types (`wrangler types`) bring a DOM of their own, which would meet the browser's here.
declare module 'cloudflare:workers' {
  export const env: Readonly<Record<string, unknown>>;
  export function waitUntil(work: Promise<unknown>): void;
}
