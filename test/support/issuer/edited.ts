/** A CA whose answers a test changes on the way, and a clock that jumps over what the issuer sleeps. */
import type { Timing } from '../../../lambda/acme/poll.ts';
import type { AcmeResponse, Transport } from '../../../lambda/acme/transport.ts';
import { refuse } from './fake-ca.ts';
import type { CaStage } from './stage.ts';

type Edit = (response: AcmeResponse) => AcmeResponse;

/** The answers of the URLs that contain `part`. */
export function edited(exchange: Transport, part: string, edit: Edit): Transport {
  return async (method, url, body) => {
    const response = await exchange(method, url, body);
    return url.includes(part) ? edit(response) : response;
  };
}

/** Refused before the request comes to the CA; a nonce that it would have spent is lost. */
export function refusing(exchange: Transport, part: string, type: string, status: number): Transport {
  return async (method, url, body) =>
    url.includes(part) ? refuse(type, status) : exchange(method, url, body);
}

/** Members of a JSON object replaced; what is no object passes. */
export const withMembers =
  (members: object, headers: AcmeResponse['headers'] = {}): Edit =>
  (response) =>
    response.status < 300 && typeof response.data === 'object'
      ? { ...response, headers: { ...response.headers, ...headers }, data: { ...response.data, ...members } }
      : response;

/** Rounds of the event loop with nothing under way, after which everybody sleeps. */
const IDLE_ROUNDS = 5;

/**
 * Sleeps beside each other take as long as the longest of them: the clock jumps to the next one that ends, when the CA has answered all
 * requests.
 */
export function jumping(
  { now, advance }: Pick<CaStage, 'now' | 'advance'>,
  exchange: Transport,
  passMs: number,
) {
  const ends = new Set<number>();
  let underWay = 0;
  let idle = 0;
  const sleep = async (ms: number) => {
    const end = now().getTime() + ms;
    ends.add(end);
    while (now().getTime() < end) {
      await new Promise((resolve) => setTimeout(resolve, 2));
      idle = underWay === 0 ? idle + 1 : 0;
      const isNext = idle > IDLE_ROUNDS * ends.size && end === Math.min(...ends);
      if (isNext) advance(Math.max(0, end - now().getTime()));
    }
    ends.delete(end);
    idle = 0;
  };
  const counted: Transport = async (...request) => {
    underWay += 1;
    try {
      return await exchange(...request);
    } finally {
      underWay -= 1;
      idle = 0;
    }
  };
  const timing: Timing = { now, deadline: new Date(now().getTime() + passMs), sleep };
  return { timing, exchange: counted };
}
