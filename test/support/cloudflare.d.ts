// What the tests use of it; the types of the platform bring a DOM of their own.
declare module 'cloudflare:workers' {
  export const env: Readonly<Record<string, unknown>>;
}
