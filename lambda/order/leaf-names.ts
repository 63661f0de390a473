/**
 * The names of a delivered leaf beside those that were ordered. HAProxy would hand the certificate out for each of them,
 * in the place of the certificate that was ordered for that name.
 */
import { isIP } from 'node:net';
import type { CombinedPem } from '#contract/combined-pem.ts';
import { canonicalIdentifier, leafNamesOf } from '#contract/combined-pem.ts';
import { PemRejected } from '#contract/errors.ts';

/** A common name such as "Example Inc." is no name that a client asks for. */
const HOST_NAME = /^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)+$/;

/** @throws PemRejected `ERR_PEM_NAMES` */
export function checkOnlyOrdered(
  { leaf }: Pick<CombinedPem, 'leaf'>,
  identifiers: readonly string[],
  { allowBareDomain = false }: { allowBareDomain?: boolean | undefined },
): void {
  const ordered = new Set(identifiers.map(canonicalIdentifier));
  const isBare = (name: string) => ordered.has(`www.${name}`) || ordered.has(`*.${name}`);
  const added = leafNamesOf(leaf).filter(
    (name) => !ordered.has(name) && (isIP(name) !== 0 || HOST_NAME.test(name)),
  );
  const refused = added.filter((name) => !(allowBareDomain && isBare(name)));
  if (refused.length === 0) return;
  const detail = `wanted ${[...ordered].join(', ')} and no other name, saw ${refused.join(', ')} too: the CA has added what nobody ordered`;
  const hint = refused.every(isBare)
    ? 'order it as well, or set allowBareDomain: true for this CA'
    : 'order it as well, or from another CA or profile';
  throw new PemRejected('ERR_PEM_NAMES', `${detail}; ${hint}`);
}
