/** pemfleet.yaml as adopt writes it: with a comment where a reader would ask. */
import type { ChallengeName } from '../../config/challenge.ts';
import { knownCaOf } from '../../config/known-cas.ts';
import { yamlList, yamlScalar } from '../../init/documents.ts';

export interface AdoptedCa {
  directoryUrl: string;
  caFile: string | undefined;
  contact: readonly string[];
  preferredChain: string | undefined;
}

export interface AdoptedSpec {
  name: string;
  /** Where it was found, for the comment. */
  from: string;
  identifiers: readonly string[];
  keyTypes: readonly string[];
  reuseKey: boolean;
  profile: string | undefined;
  challenge: ChallengeName;
  /** Nobody orders it: of no CA that is configured. */
  isImported: boolean;
}

export interface AdoptionAnswers {
  bucket: string;
  /** The first one orders; the others have issued some of what is adopted. */
  cas: readonly AdoptedCa[];
  challenge: ChallengeName;
  certificates: readonly AdoptedSpec[];
}

/** @param schema file of the JSON schema, for editors */
export function adoptedConfigText(answers: AdoptionAnswers, schema: string | undefined): string {
  const { bucket, cas, challenge, certificates } = answers;
  const [first, ...others] = cas;
  const editor = schema === undefined ? '' : `# yaml-language-server: $schema=${schema}\n`;
  const fallback = others.map((ca) => `  -${caLines(ca, '    ').slice(3)}`).join('');
  return `${editor}# What pemfleet keeps, and from which CA it renews it. "pemfleet adopt" wrote this file; it is yours to edit: the next pass reads it.
# "pemfleet plan" shows what a pass would do; every setting: /usr/share/doc/pemfleet/config.md.

# Where certificates are published, and where hosts get them.
bucket: ${yamlScalar(bucket)}

acme:
${first === undefined ? '' : caLines(first, '  ')}
${fallback === '' ? '' : `# These have issued some of the certificates below; they are asked when the first one fails.\nfallback:\n${fallback}\n`}challenge: ${challenge}

# Each name is that of the file that HAProxy loads: NAME.pem.
certificates:
${certificates.map((spec) => specLines(spec, challenge)).join('')}`;
}

function caLines({ directoryUrl, caFile, contact, preferredChain }: AdoptedCa, indent: string): string {
  const lines = [
    `directoryUrl: ${knownCaOf(directoryUrl)?.word ?? yamlScalar(directoryUrl)}`,
    ...(caFile === undefined ? [] : [`caFile: ${yamlScalar(caFile)}`]),
    ...(contact.length === 0 ? [] : [`contact: [${contact.map((one) => JSON.stringify(one)).join(', ')}]`]),
    ...(preferredChain === undefined ? [] : [`preferredChain: ${JSON.stringify(preferredChain)}`]),
    'termsOfServiceAgreed: true',
  ];
  return lines.map((line) => `${indent}${line}\n`).join('');
}

/** @param inherited the challenge of all certificates that name none */
export function specLines(spec: AdoptedSpec, inherited: ChallengeName | undefined): string {
  const { name, from, identifiers, keyTypes, reuseKey, profile, challenge, isImported } = spec;
  const [first = ''] = keyTypes;
  const isUsual = keyTypes.length === 1 && first === 'ec256';
  const keys = keyTypes.length > 1 ? [`keyTypes: [${keyTypes.join(', ')}]`] : [`keyType: ${first}`];
  const ordered = [
    ...(isUsual ? [] : keys),
    ...(reuseKey ? ['reuseKey: true'] : []),
    ...(profile === undefined ? [] : [`profile: ${JSON.stringify(profile)}`]),
    ...(challenge === inherited ? [] : [`challenge: ${challenge}`]),
  ];
  const lines = [
    `name: ${JSON.stringify(name)}`,
    `identifiers: ${yamlList(identifiers)}`,
    ...(isImported
      ? ['imported: true    # nobody orders another one; without this line the CA above does']
      : ordered),
  ];
  return `  # ${from.replaceAll(/[^\x20-\x7e]/g, '?')}\n${lines.map((line, index) => `  ${index === 0 ? '-' : ' '} ${line}\n`).join('')}`;
}
