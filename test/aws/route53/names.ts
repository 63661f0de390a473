// Names as Route 53 keeps them: lower case, a dot at the end, and all but a-z 0-9 - _ . as \ooo.
import { AwsFailure } from '../wire.ts';

/** @param name with or without the last dot, `*` escaped or not */
export function normalizeName(name: string): string {
  const plain = name.replace(/\\([0-7]{3})/g, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 8)),
  );
  const dotted = plain.endsWith('.') ? plain : `${plain}.`;
  const labels = dotted.slice(0, -1).split('.');
  const fatal = (code: string, what: string) =>
    new AwsFailure(
      400,
      'InvalidChangeBatch',
      `[FATAL problem: ${code} (${what}) encountered with '${name}']`,
    );
  if (labels.some((label) => label.length > 63)) {
    throw fatal('DomainLabelTooLong', 'Domain label is too long');
  }
  if (labels.some((label) => label === '')) throw fatal('DomainLabelEmpty', 'Domain label is empty');
  if (dotted.length > 255) throw fatal('DomainNameTooLong', 'Domain name is too long');
  return dotted.toLowerCase();
}

export const escapeName = (name: string): string =>
  name.replace(/[^a-z0-9_.-]/g, (letter) => `\\${letter.charCodeAt(0).toString(8).padStart(3, '0')}`);

/** As in `route53:ChangeResourceRecordSetsNormalizedRecordNames`. */
export const conditionName = (name: string): string => escapeName(normalizeName(name)).replace(/\.$/, '');

const reversed = (name: string) => name.replace(/\.$/, '').split('.').reverse().join('.');

/** The order of Route 53's lists: by the labels from the last to the first. */
export function compareNames(one: string, other: string): number {
  const [first, second] = [reversed(one), reversed(other)];
  return first < second ? -1 : first > second ? 1 : 0;
}

export const isInside = (name: string, zone: string): boolean => name === zone || name.endsWith(`.${zone}`);

export const parentOf = (name: string): string => name.slice(name.indexOf('.') + 1);
