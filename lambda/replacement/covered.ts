/** Which published certificates the requests of `issuer/replace.json` cover, and since when; pure. */
import { acmeOriginOf, type ManifestEntry } from '#contract/manifest.ts';
import type { ReplacementRequest, ReplacementScope } from './requests.ts';

/** A request whose serials can be searched. */
interface ReadyRequest {
  at: Date;
  scope: ReplacementScope;
  serials: ReadonlySet<string> | undefined;
}

/** The requests, for many questions. */
export class Replacements {
  readonly #requests: readonly ReadyRequest[];

  /** @param now requests of a clock that is ahead wait: what is published now would be covered by them again at once */
  constructor(requests: readonly ReplacementRequest[], now: Date) {
    this.#requests = requests
      .map(({ at, scope }) => ({
        at: new Date(at),
        scope,
        serials: scope.serials && new Set(scope.serials.map(bareSerial)),
      }))
      .filter(({ at }) => at <= now);
  }

  /** None that counts now. */
  get isEmpty(): boolean {
    return this.#requests.length === 0;
  }

  /** @returns the time before which it must not have been published nor its key been made; undefined: no request covers it */
  replaceSince(entry: ManifestEntry | undefined): Date | undefined {
    if (entry === undefined) return undefined;
    const times = this.#requests.filter((request) => covers(request, entry)).map(({ at }) => at.getTime());
    return times.length === 0 ? undefined : new Date(Math.max(...times));
  }
}

/** What was published since is what the request wanted. Of a pair, one covered PEM is enough. */
function covers({ at, scope, serials }: ReadyRequest, entry: ManifestEntry): boolean {
  if (Date.parse(entry.publishedAt) >= at.getTime()) return false;
  const { directoryUrl, issuedBefore } = scope;
  if (directoryUrl !== undefined && acmeOriginOf(entry)?.directoryUrl !== directoryUrl) return false;
  return entry.pems.some(({ notBefore, serial }) => {
    // CAs set notBefore to a time before the issue (Let's Encrypt: an hour): rather one too many.
    const isBefore = issuedBefore === undefined || Date.parse(notBefore) < Date.parse(issuedBefore);
    return isBefore && (serials === undefined || serials.has(bareSerial(serial)));
  });
}

/** However many zeros it begins with (a DER integer may have some, a list of a CA more), it is the same number. */
export function bareSerial(serial: string): string {
  return serial.replace(/^0+(?=.)/, '');
}
