import { handle as named } from '#hooks';

/** That of the page, unless the test asks for an app without it. */
export const handle = ({ event, resolve }) =>
  event.url.searchParams.has('unnamed') ? resolve(event) : named({ event, resolve });

/** Tells the visitor what the test asks for. */
export const handleError = ({ error }) => ({ message: String(error.code ?? error) });
