/** What init knows of a HAProxy when it plans its lines. */
import type { HaproxyEnvironment } from '#common/haproxy/config-lines.ts';
import { type ConfigText, readSections, type Section } from './sections.ts';
import type { Edit } from './text-edit.ts';

export interface HaproxyConfiguration {
  /** In the order in which HAProxy reads them. */
  texts: readonly ConfigText[];
  env: HaproxyEnvironment;
  sections: readonly Section[];
}

export const configurationOf = (
  texts: readonly ConfigText[],
  env: HaproxyEnvironment,
): HaproxyConfiguration => ({ texts, env, sections: readSections(texts, env) });

/** Of a plan: what to change, and what people must know. */
export interface PlanPart {
  edits: readonly Edit[];
  notes: readonly string[];
}

/** Why no lines can be planned: what was wanted, seen, and to do. */
export class Unplannable extends Error {
  override name = 'Unplannable';
}

export function sectionNamed(
  { sections }: HaproxyConfiguration,
  kinds: readonly string[],
  name: string,
): Section | undefined {
  return sections.find((section) => kinds.includes(section.kind) && section.name === name);
}

/** Where a new section may stand: the end of the file that is read last, for all that follows takes its defaults from before. */
export function endOfFile({ texts }: HaproxyConfiguration, file: string): number {
  const text = texts.find((one) => one.file === file)?.text ?? '';
  return text.split('\n').length - (text.endsWith('\n') || text === '' ? 1 : 0);
}
