/** Which of HAProxy's files the agent takes over: those of one directory, under the names that they have. Pure. */
import { isIP } from 'node:net';
import { basename, dirname } from 'node:path';
import { namesOf } from '#contract/combined-pem.ts';
import { type CertificateName, certificateName } from '#contract/layout.ts';
import { coversName, exactSet } from '../../config/identifier.ts';
import type { BindFile } from '../../init/host/served-certificates.ts';
import type { NotAdoptable, PresentPem } from '../haproxy/present-pem.ts';

/** A file that a bind names, and what HAProxy serves of it. */
export interface LoadedFile extends BindFile {
  pem: PresentPem | NotAdoptable;
}

export interface ChosenFile extends BindFile {
  pem: PresentPem;
}

/** One certificate: a file, or the two of a pair (`.rsa`, `.ecdsa`). */
export interface ChosenCertificate {
  name: CertificateName;
  files: readonly ChosenFile[];
}

export interface LeftOut {
  file: string;
  why: string;
}

export interface FileChoice {
  /** HAProxy's own; undefined: there is nothing to adopt. */
  directory: string | undefined;
  certificates: readonly ChosenCertificate[];
  leftOut: readonly LeftOut[];
}

const PAIR = /\.pem\.(rsa|ecdsa)$/;
/** What certbot keeps its links in: a renewal of another program goes there. */
const CERTBOT_LINK = /\/live\/[^/]+\/(cert|chain|fullchain|privkey)\.pem$/;

export function chooseFiles(loaded: readonly LoadedFile[]): FileChoice {
  const leftOut: LeftOut[] = [];
  const good: ChosenFile[] = [];
  for (const one of uniqueFiles(loaded)) {
    const why = 'why' in one.pem ? one.pem.why : (nameProblem(one.file) ?? filterProblem(one.file, loaded));
    if (why !== undefined) leftOut.push({ file: one.file, why });
    else good.push(one as ChosenFile);
  }
  const directory = mostUsed(good);
  const inside = good.filter(({ file }) => dirname(file) === directory);
  const outside = good.filter((one) => !inside.includes(one));
  leftOut.push(...outside.map(({ file }) => ({ file, why: elsewhere(directory ?? '') })));
  const certificates: ChosenCertificate[] = [];
  for (const [stem, files] of byStem(inside)) {
    const why = pairProblem(files) ?? copyProblem(files, certificates);
    if (why === undefined) certificates.push({ name: certificateName.parse(stem), files });
    else leftOut.push(...files.map(({ file }) => ({ file, why })));
  }
  return { directory: certificates.length === 0 ? undefined : directory, certificates, leftOut };
}

function uniqueFiles(loaded: readonly LoadedFile[]): LoadedFile[] {
  return [...new Map([...loaded].reverse().map((one) => [one.file, one])).values()].reverse();
}

const stemOf = (file: string) =>
  basename(file)
    .replace(PAIR, '')
    .replace(/\.pem$/, '');

function nameProblem(file: string): string | undefined {
  if (CERTBOT_LINK.test(file)) {
    return "is certbot's own, which pemfleet never writes: let HAProxy load one PEM file in a directory of its own (crt /etc/haproxy/certs), then adopt again";
  }
  if (!/\.pem(\.(rsa|ecdsa))?$/.test(file)) {
    return `its name does not end with .pem, as those that the agent writes: rename it to ${stemOf(basename(file)).replace(/\.[a-z]+$/i, '')}.pem, also where HAProxy's configuration names it, then adopt again`;
  }
  if (certificateName.safeParse(stemOf(file)).success) return undefined;
  return "its name is none that the agent writes (small letters, digits, . _ -): rename it, also where HAProxy's configuration names it, then adopt again";
}

/** The agent proves a certificate by each of its names; a line with filters serves it for these alone (configuration manual, "crt-list"). */
function filterProblem(file: string, loaded: readonly LoadedFile[]): string | undefined {
  const lines = loaded.filter((one) => one.file === file);
  for (const list of new Set(lines.map(({ source }) => source))) {
    const ofList = lines.filter(({ source }) => source === list);
    if (ofList.some(({ sniFilters }) => sniFilters === undefined)) continue;
    const leaf = ofList[0]?.pem.leaf;
    const filters = ofList.flatMap(({ sniFilters = [] }) => sniFilters.map((one) => one.toLowerCase()));
    const isServed = (name: string) =>
      !filters.includes(`!${name}`) && filters.some((one) => one === name || coversName(one, name));
    const out = leaf && namesOf(leaf).find((name) => isIP(name) === 0 && !isServed(name));
    if (out !== undefined) {
      return `its line in ${list} has SNI filters (${filters.join(' ')}), by which HAProxy does not serve it for ${out}, and the agent proves a certificate by each of its names: take the filters off its line, or add ${out} to them, then adopt again`;
    }
  }
  return undefined;
}

/** A directory on a bind before single files; then the one with the most certificates. */
function mostUsed(files: readonly ChosenFile[]): string | undefined {
  const weights = new Map<string, number>();
  for (const { file, source } of files) {
    const directory = dirname(file);
    const weight = source === directory ? 1_000_000 : 1;
    weights.set(directory, (weights.get(directory) ?? 0) + weight);
  }
  return [...weights].sort(([, a], [, b]) => b - a)[0]?.[0];
}

const elsewhere = (directory: string) =>
  `is in another directory than ${directory}, and the agent keeps one: move it there and name it so on its bind, then adopt again`;

function byStem(files: readonly ChosenFile[]): Map<string, ChosenFile[]> {
  const stems = new Map<string, ChosenFile[]>();
  for (const one of files) stems.set(stemOf(one.file), [...(stems.get(stemOf(one.file)) ?? []), one]);
  return stems;
}

/** A renewal would be ordered for each of them, and HAProxy would serve the one that comes first. */
function copyProblem(files: readonly ChosenFile[], chosen: readonly ChosenCertificate[]): string | undefined {
  const fingerprints = new Set(files.map(({ pem }) => pem.leaf.fingerprint256));
  const first = chosen
    .flatMap((one) => one.files)
    .find(({ pem }) => fingerprints.has(pem.leaf.fingerprint256));
  return (
    first &&
    `has the same certificate as ${first.file}, which is adopted: name that one in its place in HAProxy's configuration, and take this one away before the next renewal, which writes only ${first.file}`
  );
}

/** `shop.pem.rsa` and `shop.pem.ecdsa` are one certificate to HAProxy. */
function pairProblem(files: readonly ChosenFile[]): string | undefined {
  const [first] = files;
  if (files.length === 1 && first !== undefined) {
    return PAIR.test(first.file)
      ? `is half of a pair (.rsa, .ecdsa) whose other half is missing: rename it to ${stemOf(first.file)}.pem, then adopt again`
      : undefined;
  }
  if (files.length !== 2 || !files.every(({ file }) => PAIR.test(file))) {
    return `stands beside another file of the same name (${files.map(({ file }) => basename(file)).join(', ')}): one of them must go`;
  }
  const sets = new Set(files.map(({ pem }) => exactSet(namesOf(pem.leaf))));
  return sets.size === 1
    ? undefined
    : 'is a pair of certificates with different names: give each a name of its own';
}
