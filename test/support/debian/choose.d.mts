/** What a suite has of a package; without versions, it cannot be read. */
export interface SuiteOffer {
  suite: string;
  versions?: readonly string[];
}
export type Choice = { suite: string; version: string } | { refusal: string };
export function chooseVersion(wanted: RegExp, offers: readonly SuiteOffer[]): Choice;
export function compareVersions(a: string, b: string): number;
