/** What adopt would do: which certificates pemfleet keeps from now on, from which CA it renews them, and what stays as it is. */

import { X509Certificate } from 'node:crypto';
import { dirname } from 'node:path';
import { namesOf } from '#contract/combined-pem.ts';
import { messageOf } from '#contract/errors.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { KEY_TYPES } from '../../config/config.ts';
import { directoryNamed } from '../../config/known-cas.ts';
import { parseConfig } from '../../config/yaml.ts';
import { type HaproxyConfiguration, Unplannable } from '../../init/plan/haproxy-config.ts';
import { bareSerial } from '../../replacement/covered.ts';
import { keyThumbprint } from '../clients/account-key.ts';
import { readClientFile } from '../clients/client-files.ts';
import type { ClientState } from '../clients/lineage.ts';
import { type HandedOut, handedOutNames } from '../haproxy/handed-out.ts';
import { loadFiles } from '../haproxy/load-files.ts';
import type { RuntimeCertificates } from '../haproxy/runtime-certificates.ts';
import { isOrderedBy, type UsedCa, usedCas } from './adopted-cas.ts';
import { type ChallengeWay, challengeRoute, challengeWay } from './challenge-way.ts';
import { type ChosenCertificate, chooseFiles, type LeftOut, type LoadedFile } from './choose-files.ts';
import { type AdoptedSpec, type AdoptionAnswers, adoptedConfigText } from './documents.ts';
import { casInForce, type InForce, isAdoptedName, withAdded } from './in-force.ts';
import { type CertificateOrigin, type KnownLineage, originOf, readKnownLineages } from './origin.ts';
import { withoutContested } from './shared-names.ts';

export interface AdoptionRequest {
  config: HaproxyConfiguration;
  runtime: RuntimeCertificates | undefined;
  clients: readonly ClientState[];
  /** Only files of this directory; undefined: all that HAProxy loads. */
  onlyIn: string | undefined;
  /** `--ca`: of what no client has obtained. */
  ca: string | undefined;
  caFile: string | undefined;
  bucket: string;
  /** pemfleet.yaml, for messages. */
  configFile: string;
  /** Of an earlier run: what is in it stays as it is. */
  inForce?: InForce | undefined;
  /** Why the bucket does not take a certificate, by its name: it is left out. */
  refused?: ReadonlyMap<string, Error> | undefined;
  isListening: (port: number) => boolean;
  /** What a visitor gets; undefined: HAProxy does not run. */
  handedOut: HandedOut | undefined;
  now: Date;
}

export interface AdoptedCertificate extends ChosenCertificate {
  spec: AdoptedSpec;
  issued: ManifestEntry['issued'];
  notAfter: Date;
}

export interface AdoptionPlan {
  /** HAProxy's own directory. */
  directory: string | undefined;
  certificates: readonly AdoptedCertificate[];
  leftOut: readonly LeftOut[];
  cas: readonly UsedCa[];
  answers: AdoptionAnswers;
  /** Where the responder listens in place of the old client. */
  listen: string | undefined;
  notes: readonly string[];
  /** Before the next renewal. */
  todos: readonly string[];
  /** Of an earlier run: these certificates come to it. */
  inForce?: InForce | undefined;
}

/** Named in one message. */
const MAX_DIRECTORIES = 5;

interface Traced extends ChosenCertificate {
  origin: CertificateOrigin | undefined;
}

export async function planAdoption(request: AdoptionRequest): Promise<AdoptionPlan> {
  const { config, runtime, clients, now, inForce, refused = new Map<string, Error>() } = request;
  const known = await readKnownLineages(clients);
  const loaded = await loadFiles({ config, runtime, now, contentOf: (serial) => contentOf(known, serial) });
  const { onlyIn } = request;
  const inside = loaded.filter(({ file }) => onlyIn === undefined || dirname(file) === onlyIn);
  if (onlyIn !== undefined && inside.length === 0) throw new Unplannable(notLoadedFrom(onlyIn, loaded));
  const choice = chooseFiles(inside);
  const { served, notes: untold } = await handedOutNames(config, loaded, request.handedOut);
  const { certificates: all, ...contested } = withoutContested(choice.certificates, served);
  const wanted = all.filter(({ name }) => !isAdoptedName(inForce, name));
  const certificates = wanted.filter(({ name }) => !refused.has(name));
  const ofBucket = wanted.flatMap(({ name, files }) => {
    const error = refused.get(name);
    return error === undefined ? [] : files.map(({ file }) => ({ file, why: error.message }));
  });
  const directory = certificates.length === 0 ? undefined : choice.directory;
  const ca = request.ca === undefined ? undefined : directoryNamed(request.ca);
  const traced = certificates.map((one) => ({ ...one, origin: tracedOrigin(one, known, ca) }));
  refuseUnusedCa(request, traced);
  const origins = traced.flatMap(({ origin }) => origin ?? []);
  const found = usedCas(origins, clients, request.caFile);
  const cas = inForce ? found.filter((one) => casInForce(inForce).has(one.directoryUrl)) : found;
  const ways = new Map(traced.map((one) => [one, wayOf(one, cas, request)]));
  const isStateless = [...ways.values()].some(({ challenge }) => challenge === 'http-01-stateless');
  const used = isStateless ? cas.slice(0, 1) : cas;
  const adopted = traced.map((one) => adoptedOf(one, ways.get(one) ?? { challenge: 'http-01' }, used, now));
  const sifted = siftByConfig(adopted, used, request);
  const kept = traced.filter(({ name }) => sifted.certificates.some((one) => one.name === name));
  return {
    ...{ directory, inForce, cas: used, certificates: sifted.certificates, answers: sifted.answers },
    leftOut: [...choice.leftOut, ...contested.leftOut, ...ofBucket, ...sifted.leftOut],
    listen: kept.flatMap((one) => ways.get(one)?.listen ?? [])[0],
    notes: [
      ...clients.flatMap(({ problems }) => problems),
      ...untold,
      ...kept.flatMap((one) => notesOf(one, used)),
    ],
    todos: [
      ...new Set(kept.filter((one) => isRenewed(one, used)).flatMap((one) => ways.get(one)?.todo ?? [])),
      ...contested.todos,
    ],
  };
}

function notLoadedFrom(directory: string, loaded: readonly LoadedFile[]): string {
  const others = [...new Set(loaded.map(({ file }) => dirname(file)))];
  const more = others.length > MAX_DIRECTORIES ? ` and ${others.length - MAX_DIRECTORIES} more` : '';
  const where =
    others.length === 0 ? 'no file at all' : `files of ${others.slice(0, MAX_DIRECTORIES).join(', ')}${more}`;
  return `wanted certificates that HAProxy loads from ${directory} (--dir), saw that it loads ${where}: name one of these directories as HAProxy's configuration does; nothing was changed`;
}

/** @throws Unplannable where `--ca` would say nothing of any of them */
function refuseUnusedCa({ ca }: AdoptionRequest, traced: readonly Traced[]): void {
  const isHeard = ({ origin }: Traced) =>
    origin?.lineage === undefined || origin.directoryUrl === directoryNamed(ca ?? '');
  if (ca === undefined || traced.length === 0 || traced.some(isHeard)) return;
  const clients = [...new Set(traced.flatMap(({ origin }) => origin?.lineage?.client ?? []))];
  throw new Unplannable(
    `wanted --ca ${ca} for what no other client has obtained, saw that ${clients.join(' and ')} has obtained all of it: leave --ca out, and its CA renews it; for another one, edit acme.directoryUrl in pemfleet.yaml afterwards (pemfleet plan shows what follows); nothing was changed`,
  );
}

/** A client's newest certificate, where HAProxy serves it from no file. */
async function contentOf(known: readonly KnownLineage[], serial: string): Promise<string | undefined> {
  for (const { lineage } of known) {
    const [chain, key] = [await readClientFile(lineage.chainFile), await readClientFile(lineage.keyFile)];
    const [pem] = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(chain ?? '') ?? [];
    if (pem === undefined || key === undefined) continue;
    if (bareSerial(new X509Certificate(pem).serialNumber) === serial) return `${chain}\n${key}`;
  }
  return undefined;
}

function tracedOrigin(
  { files }: ChosenCertificate,
  known: readonly KnownLineage[],
  ca: string | undefined,
): CertificateOrigin | undefined {
  const origins = files.map(({ pem }) => originOf(pem.leaf, known, ca));
  const [first] = origins;
  return origins.every((one) => one?.directoryUrl === first?.directoryUrl) ? first : undefined;
}

function wayOf({ files, origin }: Traced, cas: readonly UsedCa[], request: AdoptionRequest): ChallengeWay {
  const { config, isListening } = request;
  const account = cas.find(({ directoryUrl }) => directoryUrl === origin?.directoryUrl)?.account;
  return challengeWay({
    old: origin?.lineage?.challenge,
    hasWildcard: identifiersOf(files).some((name) => name.startsWith('*.')),
    route: challengeRoute(config),
    thumbprint: account && keyThumbprint(account.key),
    isListening,
  });
}

/** That of its subject first, as its client has it. */
function identifiersOf(files: ChosenCertificate['files']): string[] {
  const leaf = files[0]?.pem.leaf;
  if (leaf === undefined) return [];
  const [, common = ''] = /^CN=(.*)$/m.exec(leaf.subject ?? '') ?? [];
  const names = namesOf(leaf);
  const first = names.filter((name) => name === common.toLowerCase());
  return [...new Set([...first, ...names])];
}

/** Its CA is configured, and it is of a kind that pemfleet orders. */
function isRenewed({ files, origin }: Traced, cas: readonly UsedCa[]): boolean {
  const areKnown = files.every(({ pem }) => (KEY_TYPES as readonly string[]).includes(pem.keyType));
  return areKnown && cas.some(({ directoryUrl }) => directoryUrl === origin?.directoryUrl);
}

function adoptedOf(one: Traced, way: ChallengeWay, cas: readonly UsedCa[], now: Date): AdoptedCertificate {
  const { name, files, origin } = one;
  const lineage = origin?.lineage;
  const isImported = !isRenewed(one, cas);
  const ca = cas.find(({ directoryUrl }) => directoryUrl === origin?.directoryUrl);
  const from = [
    ...files.map(({ file }) => file),
    ...(lineage === undefined ? [] : [`${lineage.client}: ${lineage.file}`]),
  ];
  const isSameAccount = ca?.account !== undefined && isOrderedBy(ca.account, lineage);
  return {
    ...{ name, files },
    notAfter: new Date(Math.min(...files.map(({ pem }) => Date.parse(pem.leaf.validTo)))),
    spec: {
      ...{ name, isImported, from: from.join(', '), identifiers: identifiersOf(files) },
      keyTypes: files.map(({ pem }) => pem.keyType).sort(),
      reuseKey: lineage?.reuseKey ?? false,
      profile: lineage?.profile,
      challenge: way.challenge,
    },
    issued:
      isImported || ca === undefined
        ? { origin: 'imported', importedAt: now.toISOString() }
        : {
            directoryUrl: ca.directoryUrl,
            // Of an account that nobody knows the directory stands there: no order of ours replaces it by name (RFC 9773 §5).
            accountUrl: (isSameAccount ? ca.account?.url : undefined) ?? ca.directoryUrl,
            profile: lineage?.profile,
            preferredChain: ca.preferredChain,
          },
  };
}

interface Sifted {
  certificates: AdoptedCertificate[];
  leftOut: LeftOut[];
  answers: AdoptionAnswers;
}

/** What pemfleet.yaml may not say is left out by name, and keeps nothing else back. @throws ConfigError where it is not about one of them */
function siftByConfig(
  adopted: readonly AdoptedCertificate[],
  cas: readonly UsedCa[],
  { bucket, configFile, ca, caFile, inForce }: AdoptionRequest,
): Sifted {
  const answersOf = (certificates: readonly AdoptedCertificate[]): AdoptionAnswers => ({
    ...{ bucket, challenge: mostUsed(certificates) },
    cas:
      cas.length > 0
        ? cas
        : [{ directoryUrl: ca ?? 'letsencrypt', caFile, contact: [], preferredChain: undefined }],
    certificates: certificates.map(({ spec }) => spec),
  });
  const problemOf = (certificates: readonly AdoptedCertificate[]): string | undefined => {
    try {
      const answers = answersOf(certificates);
      if (inForce !== undefined) withAdded(inForce, answers.certificates);
      else parseConfig(configFile, adoptedConfigText(answers, undefined));
      return undefined;
    } catch (error) {
      if (error instanceof Unplannable) throw error;
      return messageOf(error)
        .replace(/^.* was refused:\s*/s, '')
        .trim();
    }
  };
  const leftOut: LeftOut[] = [];
  const isWell = adopted.length === 0 || problemOf(adopted) === undefined;
  const certificates = adopted.filter((one) => {
    const why = isWell ? undefined : problemOf([one]);
    if (why !== undefined) leftOut.push(...one.files.map(({ file }) => ({ file, why })));
    return why === undefined;
  });
  return { certificates, leftOut, answers: answersOf(certificates) };
}

function mostUsed(certificates: readonly AdoptedCertificate[]): AdoptedSpec['challenge'] {
  const counts = new Map<AdoptedSpec['challenge'], number>();
  for (const { spec } of certificates) {
    if (!spec.isImported) counts.set(spec.challenge, (counts.get(spec.challenge) ?? 0) + 1);
  }
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0] ?? 'http-01';
}

function notesOf(one: Traced, cas: readonly UsedCa[]): string[] {
  const { name, files, origin } = one;
  const notes: string[] = [];
  if (origin?.newerUntil !== undefined) {
    notes.push(
      `${name}: ${origin.lineage?.client} has a newer certificate (until ${origin.newerUntil.toISOString()}) than HAProxy serves; what HAProxy serves is adopted, and renewed in time`,
    );
  }
  const ca = cas.find(({ directoryUrl }) => directoryUrl === origin?.directoryUrl);
  if (isRenewed(one, cas)) {
    const isOwn = ca?.account !== undefined && isOrderedBy(ca.account, origin?.lineage);
    if (ca?.account !== undefined && !isOwn) {
      notes.push(
        `${name}: another account than the one that is taken over has ordered it; its renewal counts as a new order`,
      );
    }
    return notes;
  }
  const kinds = files.map(({ pem }) => pem.keyType).join(', ');
  const why =
    origin === undefined
      ? 'nobody says which CA has issued it (--ca URL does)'
      : ca === undefined
        ? `${origin.directoryUrl} is not the CA that orders`
        : `a key of type ${kinds} is none that pemfleet orders`;
  notes.push(
    `${name}: imported, and not renewed: ${why}; it ends ${new Date(files[0]?.pem.leaf.validTo ?? 0).toISOString()}, and "pemfleet status" warns before; take "imported: true" out to have it ordered`,
  );
  return notes;
}
