/** An HTTP date in milliseconds since the Unix epoch; `undefined` if it is none. Source: RFC 9110, section 5.6.7. */
export function parseHttpDate(header: string | null): number | undefined {
  const value = header?.trim() ?? '';
  // Date.parse takes nearly anything for a date, so only what has the form of one gets there.
  if (!FORMS.some((form) => form.test(value))) return undefined;
  // asctime does not say that it means GMT.
  const at = Date.parse(value.endsWith('GMT') ? value : `${value} GMT`);
  return Number.isNaN(at) ? undefined : at;
}

// The preferred format, and the two obsolete ones that recipients must still read.
const FORMS: readonly RegExp[] = [
  /^[a-z]{3}, \d\d [a-z]{3} \d{4} \d\d:\d\d:\d\d GMT$/i,
  /^[a-z]{6,9}, \d\d-[a-z]{3}-\d\d \d\d:\d\d:\d\d GMT$/i,
  /^[a-z]{3} [a-z]{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$/i,
];
