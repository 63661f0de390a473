/** What `pemfleet revoke NAME` says where the operator may mean the old certificate, or what has taken its place. */
import type { CertificateName } from '#contract/layout.ts';
import type { CertificateSpec } from '../config/config.ts';
import type { RevocationTarget } from '../publication/revoke.ts';
import { type RevokingPem, type StoredRevocation, serialsOf } from './revocations.ts';

/** What was revoked, and what is in force in its place; each by its serials. */
export interface RevokedAlready {
  revoked: readonly string[];
  /** When hosts were told. */
  at: string;
  /** None: nothing is. */
  inForce: readonly string[];
  /** Of both; undefined: nobody can compare. */
  hasSameKey: boolean | undefined;
}

export class RevocationUnclear extends Error {
  override readonly name = 'RevocationUnclear';
  readonly code = 'ERR_REFUSED';

  /** Another reason is said than the one that waits. */
  static ofTwo(
    { name }: CertificateSpec,
    waiting: readonly RevokingPem[],
    published: readonly RevocationTarget[],
  ): RevocationUnclear {
    const old = serialsOf({ pems: waiting });
    const reasons = [...new Set(waiting.map(({ reason }) => reason))].join(', ');
    return RevocationUnclear.#eitherOf(
      name,
      [old, published],
      `${old.join(' ')} waits to be revoked (${reasons})`,
    );
  }

  /** @param old serials of what was asked for and taken back */
  static cancelled(
    name: CertificateName,
    old: readonly string[],
    published: readonly RevocationTarget[],
  ): RevocationUnclear {
    const says = `${old.join(' ')} was to be revoked until somebody took that back, and is still valid`;
    return RevocationUnclear.#eitherOf(name, [old, published], says);
  }

  static #eitherOf(
    name: CertificateName,
    [old, published]: readonly [readonly string[], readonly RevocationTarget[]],
    says: string,
  ): RevocationUnclear {
    const fresh = published.map(({ leaf }) => leaf.serialNumber).filter((serial) => !old.includes(serial));
    return new RevocationUnclear(
      `${name}: ${says}, and ${fresh.join(' ')} has taken its place; say which one you mean: --serial ${old[0]}, or --serial ${fresh[0]}`,
    );
  }

  /** Another reason is said than that of the revocation, or it was long ago. */
  static another(
    name: CertificateName,
    already: RevokedAlready,
    { reasons, said }: { reasons: readonly string[]; said: string },
  ): RevocationUnclear {
    const { revoked, at } = already;
    const why = reasons.join(', ');
    return new RevocationUnclear(
      `${name}: ${revoked.join(' ')} is revoked since ${at} (${why}), ${insteadText(name, already, said)}`,
    );
  }

  static unreadable(
    { name }: CertificateSpec,
    { fault }: StoredRevocation,
    published: readonly RevocationTarget[],
  ): RevocationUnclear {
    const fresh = published.map(({ leaf }) => leaf.serialNumber);
    return new RevocationUnclear(
      `${name}: what waits to be revoked cannot be read (${fault?.code} ${fault?.message}), and ${fresh.join(' ')}, which is in force, may have taken its place; say which one you mean: --serial SERIAL (pemfleet history ${name} has them), or end the request: pemfleet revoke ${name} --cancel`,
    );
  }
}

/** What is in force in the place of what is revoked, and the command that would revoke that. */
export function insteadText(
  name: CertificateName,
  { revoked, inForce, hasSameKey }: RevokedAlready,
  reason: string,
): string {
  const revoke = (serial = '') => `pemfleet revoke ${name} --serial ${serial} --reason ${reason}`;
  if (inForce.length === 0) {
    return `and nothing is published in its place yet; once it is, the old one is revoked again by: ${revoke(revoked[0])}`;
  }
  const others = hasSameKey ? 'has the same key' : 'has another key';
  const key = hasSameKey === undefined ? 'may have the same key' : others;
  return `and ${inForce.join(' ')}, which has taken its place, ${key}; to revoke that: ${revoke(inForce[0])}`;
}
