/** An HTTP date in milliseconds since the Unix epoch; `undefined` if it is none. Source: RFC 9110, section 5.6.7. */
export function parseHttpDate(header: string | null): number | undefined {
  const value = header?.trim() ?? '';
  // Date.parse takes nearly anything for a date, in Firefox a 25th hour too, so only what has the form of one gets there.
  if (!FORMS.some((form) => form.test(value))) return undefined;
  // asctime does not say that it means GMT.
  const at = Date.parse(value.endsWith('GMT') ? value : `${value} GMT`);
  return Number.isNaN(at) ? undefined : at;
}

const DAY = '(?:0[1-9]|[12]\\d|3[01])';
const TIME = '(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d';

// The preferred format, and the two obsolete ones that recipients must still read. Pure: entries that need none (otel) leave it out.
const FORMS: readonly RegExp[] = [
  /* @__PURE__ */ new RegExp(`^[a-z]{3}, ${DAY} [a-z]{3} \\d{4} ${TIME} GMT$`, 'i'),
  /* @__PURE__ */ new RegExp(`^[a-z]{6,9}, ${DAY}-[a-z]{3}-\\d\\d ${TIME} GMT$`, 'i'),
  /* @__PURE__ */ new RegExp(`^[a-z]{3} [a-z]{3} (?:${DAY}| [1-9]) ${TIME} \\d{4}$`, 'i'),
];
