// Faults of a hostile CA: what a CA, its load balancer or the network before it has done to clients in the field.
import type { CaAnswer, Fault } from './hostile-ca.ts';
import { jsonOf, withJson } from './orders.ts';
import type { Wire } from './wire.ts';

export interface Problem {
  status: number;
  /** without its URN prefix */
  type: string;
  detail?: string;
  subproblems?: readonly object[];
  /** seconds, or a date (RFC 9110 §10.2.3), or a text as it is */
  retryAfter?: number | Date | string;
}

const urn = (type: string) => `urn:ietf:params:acme:error:${type}`;

export const problemDocument = ({ status, type, detail, subproblems }: Problem) => ({
  ...{ type: urn(type), status, detail: detail ?? `made up: ${type}` },
  ...(subproblems && { subproblems }),
});

/** A problem in the CA's place; the client's nonce is not used up, and gets a fresh one beside. */
export function problem(documented: Problem): Fault {
  return async ({ freshNonce }) => refusal(documented, await freshNonce());
}

/** The CA does as it was asked and takes the nonce, then a problem is all that comes back: no fresh nonce. */
export function lostBehind(documented: Problem): Fault {
  return async ({ forward }) => {
    await forward();
    return refusal(documented);
  };
}

/** Of a load balancer, without the CA's knowledge: no problem document, no nonce. */
export function page(status: number, retryAfter?: Problem['retryAfter']): Fault {
  const body = Buffer.from(`<html><body><h1>${status}</h1></body></html>\n`);
  const headers = { 'content-type': 'text/html', ...retryHeader(retryAfter) };
  return async () => ({ status, headers, body });
}

/** The CA's own answer, lost on the way. */
export function lost(wire: Wire): Fault {
  return async ({ forward }) => ({ ...(await forward()), wire });
}

/** The request does not come to the CA. */
export function unanswered(wire: 'hang' | 'reset'): Fault {
  return async () => ({ status: 0, headers: {}, body: Buffer.alloc(0), wire });
}

/** The CA's answer, and then `bytes` more. */
export function flood(bytes = 100 << 20): Fault {
  return async ({ forward }) => ({ ...(await forward()), floodBytes: bytes });
}

/** A body in the place of the CA's, under its status and headers. */
export function body(text: string, contentType = 'application/json'): Fault {
  return async ({ forward }) => {
    const answer = await forward();
    return {
      ...answer,
      headers: { ...answer.headers, 'content-type': contentType },
      body: Buffer.from(text),
    };
  };
}

export function header(name: string, value: string | undefined): Fault {
  return async ({ forward }) => {
    const answer = await forward();
    const { [name]: _, ...rest } = answer.headers;
    return { ...answer, headers: value === undefined ? rest : { ...rest, [name]: value } };
  };
}

/** Members of a JSON answer changed; undefined takes one away. Problems pass. */
// biome-ignore lint/suspicious/noExplicitAny: a fault knows which document it spoils
export function change(edit: (document: any) => object): Fault {
  return async ({ forward }) => {
    const answer = await forward();
    if (answer.status >= 300) return answer;
    const document = jsonOf(answer) as object;
    return withJson(answer, { ...document, ...edit(document) });
  };
}

export const badNonce: Fault = problem({ status: 400, type: 'badNonce' });

/** An order that has not come so far yet (a lagging replica, RFC 8555 §7.4). */
export const orderIs = (status: 'pending' | 'ready' | 'processing') =>
  change(() => ({ status, certificate: undefined }));

/** At an order or at its finalize: invalid, for good (RFC 8555 §7.1.6). */
export function invalidFromNow(documented: Problem): Fault {
  return ({ forward, orders, path }) => {
    orders.spoil(path, problemDocument(documented));
    return forward();
  };
}

/** What Boulder says of a CAA record that names another CA: one subproblem an identifier (RFC 8555 §6.7.1). */
export const caaRefusal = (...names: string[]): Problem => ({
  ...{ status: 403, type: 'caa', detail: 'Rechecking CAA failed' },
  subproblems: names.map((value) => ({
    ...{ type: urn('caa'), status: 403, identifier: { type: 'dns', value } },
    detail: `While processing CAA for ${value}: CAA record for ${value} prevents issuance`,
  })),
});

function refusal(documented: Problem, nonce?: string): CaAnswer {
  const headers = {
    'content-type': 'application/problem+json',
    ...retryHeader(documented.retryAfter),
    ...(nonce !== undefined && { 'replay-nonce': nonce }),
  };
  return {
    status: documented.status,
    headers,
    body: Buffer.from(JSON.stringify(problemDocument(documented))),
  };
}

function retryHeader(value: Problem['retryAfter']): Record<string, string> {
  if (value === undefined) return {};
  return { 'retry-after': value instanceof Date ? value.toUTCString() : String(value) };
}
