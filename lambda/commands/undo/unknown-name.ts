/** What a command says of a name that nobody knows. */
import { nearest } from '#common/nearest.ts';

/** @param known names that are configured or published */
export function unknownNameText(name: string, known: readonly string[]): string {
  const close = nearest(name, [...new Set(known)]);
  const hint = close.length > 0 ? `; is it ${close.join(', or ')}?` : '';
  return `no certificate ${name} is known${hint}; pemfleet status shows what is`;
}
