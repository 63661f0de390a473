/** What init must know: from flags, from questions on a terminal, or from what HAProxy's configuration names. */

import { X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import { messageOf } from '#contract/errors.ts';
import { readRegularFile } from '#storage/atomic-file.ts';
import { directoryNamed, knownCaOf } from '../../config/known-cas.ts';
import type { Discovery } from '../../init/discovery.ts';
import type { IssuerAnswers } from '../../init/documents.ts';
import { checkName, type NameGroup, type ProposedNames, proposeNames } from '../../init/host/names.ts';
import { print, printToStderr } from '../command.ts';
import { type CommandValues, UsageError } from '../line/options.ts';
import { askUntil, askYes, isTerminal } from './ask.ts';
import { namesText } from './text.ts';

const DEFAULT_BUCKET = 'file:///var/lib/pemfleet/bucket';
const EMAIL = /^[^@\s,?]+@[^@\s,?]+$/;

/** Flags that pemfleet.yaml follows from. */
export const hasAnswers = (values: CommandValues): boolean =>
  [values.email, values.name, values.ca, values['ca-file'], values.challenge, values.bucket].some(
    (value) => value !== undefined,
  );

/** @throws UsageError with all flags that are missing */
export async function collectAnswers(values: CommandValues, discovery: Discovery): Promise<IssuerAnswers> {
  const isAsking = isTerminal() && !values.yes && !values.json;
  const challenge = challengeOf(values.challenge);
  const proposed = proposeNames(discovery.served, discovery.hosts, challenge);
  const isOfUse = values.name === undefined || (isAsking && proposed.groups.length > 0);
  if (isOfUse) (values.json ? printToStderr : print)(namesText(proposed));
  const missing: string[] = [];
  const given = values.name?.map((text) => groupOf(text, challenge));
  const groups = given ?? (await namesOf(proposed, { isAsking, isSure: values.yes, challenge }, missing));
  const email = await emailOf(values.email, isAsking);
  const ca = await caOf(values.ca, isAsking);
  if (isAsking && !values['dry-run'] && !(await agrees(ca))) {
    throw new UsageError(
      `nothing was changed: ${nameOfCa(ca)} issues to nobody who does not agree to its terms of service`,
    );
  }
  if (!isAsking && !values.yes && !values['dry-run']) {
    missing.push(`--yes (you agree to the terms of service of ${nameOfCa(ca)}, and confirm what was found)`);
  }
  if (missing.length > 0) throw new UsageError(`init wants ${missing.join('; ')}`);
  const bucket = values.bucket ?? DEFAULT_BUCKET;
  return { bucket, ca, caFile: await trustAnchors(values['ca-file'], ca), email, challenge, groups };
}

function challengeOf(text = 'http-01'): 'http-01' | 'dns-01' {
  if (text === 'http-01' || text === 'dns-01') return text;
  throw new UsageError(
    `--challenge wants http-01 or dns-01 (Route 53), saw ${text}; others are set in pemfleet.yaml (docs/config.md)`,
  );
}

/** `--name www.example.com,example.com`: one certificate. */
function groupOf(text: string, challenge: 'http-01' | 'dns-01'): NameGroup {
  const names = text.split(/[\s,]+/).filter(Boolean);
  const checked = names.map((name) => checkName(name, challenge));
  const wrong = checked.find(({ problem }) => problem !== undefined);
  if (wrong !== undefined) throw new UsageError(`--name ${wrong.name}: ${wrong.problem}`);
  if (names.length === 0) throw new UsageError('--name wants a name, saw none');
  return { names: [...new Set(checked.map(({ name }) => name))], from: '' };
}

async function namesOf(
  { groups }: ProposedNames,
  { isAsking, isSure, challenge }: { isAsking: boolean; isSure: boolean; challenge: 'http-01' | 'dns-01' },
  missing: string[],
): Promise<readonly NameGroup[]> {
  if (isAsking) {
    if (groups.length > 0 && (await askYes('Certificates for these names?', true))) return groups;
    return askUntil(
      'Names of the certificates; a blank between certificates, a comma within one',
      '',
      (text) => groupsOf(text, challenge),
    );
  }
  if (groups.length > 0 && isSure) return groups;
  missing.push(
    groups.length > 0 ? '--name NAME, or --yes for the names above' : '--name NAME: HAProxy names no host',
  );
  return [];
}

function groupsOf(text: string, challenge: 'http-01' | 'dns-01'): NameGroup[] {
  const words = text.split(/\s+/).filter(Boolean);
  if (words.length === 0)
    throw new UsageError(
      'wanted a name such as www.example.com, saw none (Ctrl-C ends init, and nothing is changed)',
    );
  return words.map((one) => groupOf(one, challenge));
}

async function emailOf(flag: string | undefined, isAsking: boolean): Promise<string | undefined> {
  if (flag !== undefined || !isAsking) return checkEmail(flag ?? '');
  return askUntil('E-mail address for the CA; empty for none', '', checkEmail);
}

function checkEmail(text: string): string | undefined {
  if (text === '') return undefined;
  if (EMAIL.test(text)) return text;
  throw new UsageError(`--email wants an address such as ops@example.com, saw ${text}`);
}

/** Staging first: its limits forgive mistakes, and visitors see nothing of it. */
async function caOf(flag: string | undefined, isAsking: boolean): Promise<string> {
  if (flag !== undefined || !isAsking) return checkCa(flag ?? 'staging');
  return askUntil(
    'CA: staging, letsencrypt, google, zerossl, or the URL of a directory [staging]',
    'staging',
    checkCa,
  );
}

function checkCa(text: string): string {
  const word = text === 'staging' ? 'letsencrypt-staging' : text;
  const url = directoryNamed(word);
  if (URL.canParse(url) && new URL(url).protocol === 'https:') return word;
  throw new UsageError(`--ca wants staging, letsencrypt, google, zerossl or an https:// URL, saw ${text}`);
}

/** Before anything is written: the unit would stop at a file that is none. */
async function trustAnchors(file: string | undefined, ca: string): Promise<string | undefined> {
  if (file === undefined) return undefined;
  if (knownCaOf(directoryNamed(ca)) !== undefined) {
    throw new UsageError(
      `--ca-file has the trust anchors of a private CA, and ${nameOfCa(ca)} is none: name its directory, too: --ca https://…`,
    );
  }
  const path = resolve(file);
  const text = await readRegularFile(path, MAX_ANCHOR_BYTES).then(String, (error: unknown) => {
    throw new UsageError(`--ca-file wants a file of PEM certificates, saw ${messageOf(error)}`);
  });
  const pems = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (pems.length > 0 && pems.every(isCertificate)) return path;
  const saw = pems.length === 0 ? 'no certificate' : 'one that cannot be read';
  throw new UsageError(`--ca-file wants a file of PEM certificates, saw ${saw} in ${path}`);
}

const MAX_ANCHOR_BYTES = 1_000_000;

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).ca;
  } catch {
    return false;
  }
}

const nameOfCa = (ca: string) => knownCaOf(directoryNamed(ca))?.name ?? ca;

const agrees = (ca: string) => askYes(`Do you agree to the terms of service of ${nameOfCa(ca)}?`, false);
