/**
 * The names of a delivered leaf beside those that were ordered. HAProxy would hand the certificate out for each of them,
 * in the place of the certificate that was ordered for that name.
 */
import { printable } from '#common/printable.ts';
import { type CombinedPem, canonicalIdentifier, leafNamesOf } from '#contract/combined-pem.ts';
import { PemRejected } from '#contract/errors.ts';

/** @throws PemRejected `ERR_PEM_NAMES` */
export function checkOnlyOrdered(
  { leaf }: Pick<CombinedPem, 'leaf'>,
  identifiers: readonly string[],
  { allowBareDomain = false }: { allowBareDomain?: boolean | undefined },
): void {
  const ordered = new Set(identifiers.map(canonicalIdentifier));
  const isBare = (name: string) => ordered.has(`www.${name}`) || ordered.has(`*.${name}`);
  const added = leafNamesOf(leaf).filter((name) => !ordered.has(name));
  const refused = added.filter((name) => !(allowBareDomain && isBare(name)));
  if (refused.length === 0) return;
  const detail = `wanted ${[...ordered].join(', ')} and no other name, saw ${printable(refused.slice(0, 10).join(', '))} too: the CA has added what nobody ordered`;
  const hint = refused.every(isBare)
    ? 'order it as well, or set allowBareDomain: true for this CA'
    : 'order it as well, or from another CA or profile';
  throw new PemRejected('ERR_PEM_NAMES', `${detail}; ${hint}`);
}
