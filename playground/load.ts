/** Each takes some 6 kB. As many users as there can be, and a server that hangs, make 3,000: after a minute they are answered. */
export const MOST_UNDER_WAY = 10_000;
/** One that is over leaves timers behind, and a number in the tally: they are gone after a minute. */
export const MOST_IN_A_MINUTE = 50_000;

const MINUTE_MS = 60_000;

/** What a client asks of the page that it runs in, which has only so much memory. */
export class Load {
  readonly #now: () => number;
  #underWay = 0;
  #waiting = 0;
  #minute = 0;
  #requests = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Why it is more than the page can hold, in words; nothing while it isn't. */
  get excess(): string | undefined {
    if (this.#underWay >= MOST_UNDER_WAY) return `${inWords(MOST_UNDER_WAY)} requests are under way at once`;
    if (this.#waiting >= MOST_UNDER_WAY) return `${inWords(MOST_UNDER_WAY)} callers wait at once`;
    if (this.#requests >= MOST_IN_A_MINUTE) return `${inWords(MOST_IN_A_MINUTE)} requests were sent within a minute`;
    return undefined;
  }

  /** Notes a request that it sends. */
  request(answer: Promise<Response>): void {
    const minute = Math.floor(this.#now() / MINUTE_MS);
    this.#requests = minute === this.#minute ? this.#requests + 1 : 1;
    this.#minute = minute;
    this.#underWay += 1;
    whenOver(answer, () => {
      this.#underWay -= 1;
    });
  }

  /** Notes a call that is made of it. */
  call(answer: Promise<Response>): void {
    this.#waiting += 1;
    whenOver(answer, () => {
      this.#waiting -= 1;
    });
  }
}

function whenOver(answer: Promise<Response>, over: () => void): void {
  answer.then(over, over);
}

function inWords(count: number): string {
  return count.toLocaleString('en');
}
