/** The domain of AWS's services in a region: each partition has its own. A test compares the table with the SDK's. */

const SUFFIXES: readonly [regions: RegExp, suffix: string][] = [
  [/^cn-/, 'amazonaws.com.cn'],
  [/^eusc-/, 'amazonaws.eu'],
  [/^us-iso-/, 'c2s.ic.gov'],
  [/^us-isob-/, 'sc2s.sgov.gov'],
  [/^eu-isoe-/, 'cloud.adc-e.uk'],
  [/^us-isof-/, 'csp.hci.ic.gov'],
];

/** @returns the domain of the partition; that of the commercial one for a region that nobody knows yet */
export function dnsSuffix(region: string): string {
  return SUFFIXES.find(([regions]) => regions.test(region))?.[1] ?? 'amazonaws.com';
}
