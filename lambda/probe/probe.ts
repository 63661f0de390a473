/** STORYBOARD of a probe: for each name, the addresses that clients find → a handshake with each → what it shows, compared with what is published. */
import { isIPv6 } from 'node:net';
import type { Deadline } from '#common/deadline.ts';
import { atMost } from '#common/in-parallel.ts';
import { isPublicAddress } from '#common/public-address.ts';
import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { PemRef } from '#contract/manifest.ts';
import type { ProbeSettings } from '../config/probe.ts';
import { type KeyKind, shakeHandsWith } from './handshake.ts';
import { judgeHandshake, type ProbeJudgement, type ProbeVerdict } from './judge.ts';
import type { Resolve } from './resolve.ts';
import { type ProbeTarget, servernameOf } from './target.ts';

/** What one address shows for one name; without an address, what is true of the name. */
export interface ProbeRow extends ProbeJudgement {
  fleet: FleetName;
  certificate: CertificateName;
  name: string;
  address?: string;
  /** Of a pair: which key the client asked for. */
  keyKind?: KeyKind;
  /** Where a CNAME of the name points to. */
  alias?: string;
}

/** What only the bucket knows of a certificate; read where an address shows another one. */
export interface Background {
  /** Serials of all that is known to have been published under the name. */
  former: ReadonlySet<string>;
  /** Issuer of what is published; undefined: it cannot be read. */
  issuer: string | undefined;
}

export interface ProbeContext {
  settings: Pick<ProbeSettings, 'port' | 'fleets' | 'allowPrivate' | 'concurrency' | 'timeoutSeconds'>;
  resolve: Resolve;
  backgroundOf: (target: ProbeTarget) => Promise<Background>;
  deadline: Deadline;
  now: () => Date;
  /** After each name. */
  onProgress?: (() => void) | undefined;
}

type AtMost = ReturnType<typeof atMost>;

/** Never rejects because of what a name or an address does. @throws BucketError of `backgroundOf` */
export async function probeAll(context: ProbeContext, targets: readonly ProbeTarget[]): Promise<ProbeRow[]> {
  const limit = atMost(context.settings.concurrency);
  const work = targets.map(async (target) => {
    const rows = await probeName(context, target, limit);
    context.onProgress?.();
    return rows;
  });
  return (await Promise.all(work)).flat();
}

async function probeName(context: ProbeContext, target: ProbeTarget, limit: AtMost): Promise<ProbeRow[]> {
  const { settings, resolve, deadline } = context;
  const { fleet, certificate, name } = target;
  const about = { fleet, certificate, name };
  const late: ProbeRow[] = [{ ...about, verdict: 'out-of-time' }];
  if (deadline.hasPassed) return late;
  const resolved = await limit(async () =>
    deadline.hasPassed ? undefined : resolve(servernameOf(name) ?? name),
  );
  if (resolved === undefined) return late;
  const { addresses, alias, fault } = resolved;
  const listed = settings.fleets.filter((one) => one.fleet === fleet).flatMap((one) => one.addresses);
  const all = [...new Set([...addresses, ...listed])];
  const known = { ...about, ...(alias && { alias }) };
  const faults: ProbeRow[] = fault === undefined ? [] : [{ ...known, verdict: 'dns-failed', detail: fault }];
  if (all.length === 0 && faults.length === 0) return [{ ...known, verdict: 'no-address' }];
  const rows = await Promise.all(
    all.flatMap((address) =>
      kindsOf(target).map(async ({ kind, wanted }): Promise<ProbeRow> => {
        const row = { ...known, address, ...(kind !== 'any' && { keyKind: kind }) };
        if (!settings.allowPrivate && !isPublicAddress(address)) return { ...row, verdict: 'not-public' };
        // It may have waited for its turn.
        const judged = await limit(async () =>
          deadline.hasPassed ? undefined : probeAddress(context, target, { address, kind, wanted }),
        );
        return judged === undefined ? { ...row, verdict: 'out-of-time' } : { ...row, ...judged };
      }),
    ),
  );
  return [...faults, ...rows.map((row) => besideOthers(row, rows))];
}

interface Question {
  address: string;
  kind: KeyKind;
  wanted: readonly PemRef[];
}

async function probeAddress(
  { settings, backgroundOf, now }: ProbeContext,
  target: ProbeTarget,
  { address, kind, wanted }: Question,
): Promise<ProbeJudgement> {
  const endpoint = { address, port: settings.port, servername: servernameOf(target.name), kind };
  const handshake = await shakeHandsWith(endpoint, settings.timeoutSeconds * 1000);
  const expected = { target, wanted, former: target.former, now: now() };
  const first = judgeHandshake(expected, handshake);
  if (!NEEDS_BACKGROUND.has(first.verdict)) return first;
  return judgeHandshake({ ...expected, ...(await backgroundOf(target)) }, handshake);
}

/** More is to be known of where these come from. */
const NEEDS_BACKGROUND: ReadonlySet<ProbeVerdict> = new Set(['other-names', 'other-issuer', 'expired']);

/** An RSA and an elliptic certificate are asked for one by one, as clients of each kind do. */
function kindsOf({ wanted }: ProbeTarget): Pick<Question, 'kind' | 'wanted'>[] {
  if (wanted.length < 2) return [{ kind: 'any', wanted }];
  return (['ecdsa', 'rsa'] as const).map((kind) => ({
    kind,
    wanted: wanted.filter(({ keyType }) => keyType.startsWith('rsa') === (kind === 'rsa')),
  }));
}

/** What one address shows means more beside what the others of the name show. */
function besideOthers(row: ProbeRow, all: readonly ProbeRow[]): ProbeRow {
  const { verdict, address = '', keyKind } = row;
  if (verdict === 'unreachable' && isIPv6(address)) {
    // Clients that prefer IPv6 wait there, and those that do not notice nothing.
    const answers = all.some((other) => !isIPv6(other.address ?? '') && other.verdict !== 'unreachable');
    return answers ? { ...row, verdict: 'dead-ipv6' } : row;
  }
  const isHalf = verdict === 'refused' && keyKind !== undefined;
  const hasOtherHalf = all.some((other) => other.address === address && other.wire !== undefined);
  return isHalf && hasOtherHalf ? { ...row, verdict: 'wrong-key-type', detail: noHalf(row) } : row;
}

const noHalf = ({ keyKind = 'any', detail = 'refused' }: ProbeRow) =>
  `a client that knows ${keyKind} alone gets nothing (${detail}): only the other half of the pair is there`;
