/** What an earlier run of adopt has put in force, and whoever has edited it since: a later run adds to it, and changes nothing of it. */
import { parseDocument, visit } from 'yaml';
import { configuredCas } from '../../config/acme.ts';
import type { Config } from '../../config/config.ts';
import { parseConfig } from '../../config/yaml.ts';
import { Unplannable } from '../../init/plan/haproxy-config.ts';
import { type AdoptedSpec, specLines } from './documents.ts';

export interface InForce {
  /** pemfleet.yaml */
  configFile: string;
  text: string;
  config: Config;
}

export const isAdoptedName = (inForce: InForce | undefined, name: string): boolean =>
  inForce?.config.certificates.some((one) => one.name === name) ?? false;

export const casInForce = ({ config }: InForce): ReadonlySet<string> =>
  new Set(configuredCas(config).map(({ directoryUrl }) => directoryUrl));

/** @throws ConfigError, Unplannable where the list of certificates does not end the file, or is written in another way */
export function withAdded({ configFile, text, config }: InForce, specs: readonly AdoptedSpec[]): string {
  const [inherited, ...others] = config.challenge ?? [];
  const lines = specs.map((spec) => specLines(spec, others.length === 0 ? inherited : undefined));
  const added = `${text.replace(/\n*$/, '\n')}${lines.join('')}`;
  const names = (one: Config) => one.certificates.map(({ name }) => name).join();
  const wanted = [names(config), ...specs.map(({ name }) => name)].join();
  if (names(parseConfig(configFile, added)) === wanted) return added;
  throw new Unplannable(notAtEnd(configFile, specs));
}

const notAtEnd = (configFile: string, specs: readonly AdoptedSpec[]) =>
  `wanted to add ${specs.map(({ name }) => name).join(', ')} at the end of ${configFile}, saw that its list of certificates does not end there: move "certificates:" to the end of the file, then adopt again; nothing was changed`;

/** @param wanted directories and addresses @returns those that are no value of agent.yaml: what is part of another one is none */
export function missingIn(agentText: string, wanted: readonly string[]): string[] {
  const values = new Set<string>();
  visit(parseDocument(agentText), {
    Scalar: (_, { value }) => {
      values.add(String(value).replace(/(.)\/+$/, '$1'));
    },
  });
  return wanted.filter((one) => !values.has(one));
}
