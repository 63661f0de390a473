// What a service of AWS does with a role of ours, such as Lambda that writes a function's log: no request comes over the wire, but
// the role needs the permission, and it is judged and logged like any call.

import type { Principal } from './identity.ts';
import { globalContext } from './policy.ts';
import { type Bench, newCall, sessionOf } from './server.ts';
import type { Check } from './wire.ts';

export interface Errand {
  service: string;
  operation: string;
  subject: string;
  check: Check;
}

/** @returns whether the role may */
export async function onBehalf(
  bench: Bench,
  principal: Principal,
  { service, operation, subject, check }: Errand,
): Promise<boolean> {
  const call = newCall(`B${String(bench.calls.length + 1).padStart(15, '0')}`, bench.now());
  Object.assign(call, { service, operation, subject, principal: principal.arn });
  call.globals = globalContext(principal, bench.region);
  bench.calls.push(call);
  const isAllowed = await sessionOf(bench, principal, 'json', call).isAllowed(check);
  Object.assign(call, isAllowed ? { status: 200 } : { status: 403, code: 'AccessDenied' });
  return isAllowed;
}
