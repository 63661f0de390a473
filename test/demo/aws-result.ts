/** The result of `npm start -- --aws`: which certificates are served, which calls were made, and which were refused. */
import type { Cloud } from '../aws/cloud/cloud.ts';
import { type Published, published } from '../aws/cloud/facts.ts';
import { handshake } from '../support/handshake.ts';
import { type ServedCertificate, servingFaults } from './served.ts';
import type { Timeline } from './timeline.ts';

/** Printed by `--json`. */
export interface AwsResult {
  certificates: ServedCertificate[];
  passes: { challenge: string; ms: number; initMs: number | undefined; peakMb: number }[];
  /** status of each Run Command in SSM */
  commands: string[];
  /** how often each service was called, and what was refused */
  calls: Record<string, number>;
  refused: string[];
  haproxyPidBefore: number;
  haproxyPidAfter: number;
  failedRequestsDuringRenewal: number;
  seconds: number;
}

/** @param names certificate → a name that it is served for */
export function certificatesOf(
  cloud: Cloud,
  names: Readonly<Record<string, string>>,
  first: ReadonlyMap<string, Published>,
): Promise<AwsResult['certificates']> {
  const renewed = published(cloud);
  const serialOf = (all: ReadonlyMap<string, Published>, name: string) => all.get(name)?.serial ?? '';
  const proofs = Object.entries(names).map(async ([name, servername]) => {
    const { serial: servedSerial, chainLength } = await handshake({ port: cloud.httpsPort, servername });
    const serials = { firstSerial: serialOf(first, name), renewedSerial: serialOf(renewed, name) };
    return { name, ...serials, servedSerial, chainLength };
  });
  return Promise.all(proofs);
}

/** Refusals that belong to a normal run: a request for an unknown token, and a host that polls before the first publication. */
const EXPECTED = /^(responder|host) s3:GetObject/;

export async function recordOf({ aws }: Cloud, timeline: Timeline) {
  await aws.ssm.settled();
  const commands = aws.ssm
    .commands()
    .map(({ invocations }) => invocations.map(({ status }) => status).join());
  const calls: Record<string, number> = {};
  for (const { service } of aws.calls) calls[service] = (calls[service] ?? 0) + 1;
  const refused = aws.calls
    .filter(({ status }) => status === 403)
    .map(({ principal = '', action, resource }) => {
      const [, who = 'somebody'] = /pemfleet(issuer|responder)|(?:role\/)(host)s/.exec(principal) ?? [];
      return `${principal.includes('/hosts') ? 'host' : who} ${action} ${resource}`;
    });
  const counts = Object.entries(calls).map(([service, count]) => `${service} ${count}`);
  timeline.fact(
    'aws',
    `${counts.join(', ')} calls, each judged by the policies of its role; ${refused.length} refused`,
  );
  return { commands, calls, refused };
}

export function faultsOf(result: AwsResult): string[] {
  const faults = servingFaults(result.certificates);
  const refused = result.refused.filter((call) => !EXPECTED.test(call));
  const failed = result.commands.filter((status) => !/^(Success,?)+$/.test(status));
  return [
    ...faults,
    ...refused.map((call) => `refused: ${call}`),
    ...failed.map((status) => `a Run Command ended with ${status}`),
    ...(result.haproxyPidBefore === result.haproxyPidAfter ? [] : ['the process of HAProxy has changed']),
    ...(result.failedRequestsDuringRenewal === 0
      ? []
      : [`${result.failedRequestsDuringRenewal} requests failed during the renewal`]),
  ];
}
