/** What one run of init would write: pemfleet's own files, directories, and HAProxy's lines. Nothing is written here. */
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { ConfigError } from '#common/config-error.ts';
import { type Account, groupName, groupNamed } from '#common/user/accounts.ts';
import { configJsonSchema, usedChallenges } from '../config/config.ts';
import { parseConfig } from '../config/yaml.ts';
import { publicChainProblem } from '../upgrade/public-chain.ts';
import { type DirectoryChange, type FileChange, readState } from './apply/file-change.ts';
import { type InitRecord, isOwnFile } from './apply/record.ts';
import { chooseDirectory, chooseProofPort, type Discovery, samePath } from './discovery.ts';
import { type AgentAnswers, agentDocument, type IssuerAnswers, issuerDocument } from './documents.ts';
import { listeningPorts } from './host/listening.ts';
import { readCertificatesIn } from './host/served-certificates.ts';
import { configurationOf, Unplannable } from './plan/haproxy-config.ts';
import { DEFAULT_PORTS, type HaproxyPlan, planHaproxy } from './plan/haproxy-plan.ts';
import { bindsOf, hasPort, isFront } from './plan/sections.ts';
import type { ServedCertificate } from './plan/tls-binds.ts';

export const RESPONDER = '127.0.0.1:8402';

export interface SetupRequest {
  discovery: Discovery;
  /** pemfleet.yaml. */
  configFile: string;
  /** undefined: the file that is there stays as it is. */
  issuer: IssuerAnswers | undefined;
  /** It is somebody's own, and answers were given that would change it. */
  isKept: boolean;
  user: Account;
  record: InitRecord;
  force: boolean;
  /** pemfleet's certificates take the place of today's. */
  isSwitch: boolean;
}

export interface Setup {
  files: readonly FileChange[];
  /** Files that stay, and why. */
  kept: readonly string[];
  directories: readonly DirectoryChange[];
  plan: HaproxyPlan;
  certsDir: string;
  bucket: string;
  names: readonly string[];
}

/** @throws Unplannable, ConfigError */
export async function planSetup(request: SetupRequest): Promise<Setup> {
  const { discovery, configFile, user } = request;
  const own = new OwnFiles(request);
  await own.addIssuer();
  const { bucket, names, needsResponder, isPrivate } = await own.effective();
  const agentFile = join(dirname(configFile), 'agent.yaml');
  const stored = await readAgentPlaces(agentFile);
  const certsDir = stored?.certsDir ?? chooseDirectory(discovery);
  const plan = planHaproxy(discovery.config, {
    group: ['haproxy', 'pemfleet'].find((name) => groupNamed(name) !== undefined),
    hasDirectory: existsSync,
    directory: certsDir,
    names,
    served: discovery.served,
    responder: needsResponder ? RESPONDER : undefined,
    proofPort: chooseProofPort(discovery),
    switchTo: request.isSwitch ? await presentable(certsDir, isPrivate) : undefined,
  });
  refuseTakenPorts(discovery, plan);
  const agent: AgentAnswers = {
    ...{ bucket, certsDir, statsSocket: plan.statsSocket, handshake: plan.handshake },
    pemGroup: pemGroupOf(discovery),
    haproxyProgram: unusualProgram(discovery),
  };
  await own.addAgent(agentFile, agentDocument(agent, schemaFile('agent')));
  return {
    ...{ files: own.files, kept: own.kept, plan, certsDir, bucket, names },
    directories: directoriesOf(bucket, certsDir, user, pemDirectoryGid(discovery)),
  };
}

interface Effective {
  bucket: string;
  names: string[];
  needsResponder: boolean;
  /** Of a private CA: browsers of this company trust it, nobody else can say so. */
  isPrivate: boolean;
}

class OwnFiles {
  readonly files: FileChange[] = [];
  readonly kept: string[] = [];
  readonly #request: SetupRequest;
  #text: string | undefined;

  constructor(request: SetupRequest) {
    this.#request = request;
  }

  async addIssuer(): Promise<void> {
    const { configFile, issuer, isKept } = this.#request;
    if (isKept) {
      this.kept.push(
        `${await staysText(configFile)}; a further certificate is a line of yours under certificates: there, then: pemfleet plan --check`,
      );
    }
    if (issuer === undefined) return;
    const installed = schemaFile('pemfleet');
    const schema = installed ?? join(dirname(configFile), 'pemfleet.schema.json');
    const text = issuerDocument(issuer, schema);
    parseConfig(configFile, text);
    if (!(await this.#add(configFile, text))) return;
    this.#text = text;
    if (installed === undefined) await this.#add(schema, `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
  }

  addAgent(file: string, text: string): Promise<boolean> {
    return this.#add(file, text);
  }

  /** @returns false: another's file stays */
  async #add(path: string, text: string): Promise<boolean> {
    const { record, force } = this.#request;
    const state = await readState(path);
    const body = Buffer.from(text);
    if (state?.body.equals(body)) return true;
    if (state !== undefined && !isOwnFile(record, path, state)) {
      if (!force) {
        this.kept.push(await staysText(path));
        return false;
      }
      const { body: old, ...attributes } = state;
      this.files.push({ path: await freeName(path), body: old, ...attributes });
    }
    this.files.push({ path, body, mode: 0o644, uid: ROOT, gid: ROOT });
    return true;
  }

  /** What will be in force: the answers, or the file that stays. */
  async effective(): Promise<Effective> {
    const { configFile } = this.#request;
    const text = this.#text ?? (await readState(configFile))?.body.toString();
    if (text === undefined) throw new ConfigError('ERR_CONFIG', `no configuration file at ${configFile}`);
    const config = parseConfig(configFile, text);
    const used = usedChallenges(config);
    if (used.has('http-01-stateless')) {
      this.kept.push(
        'challenge http-01-stateless: pemfleet haproxy-config prints its lines, with the thumbprint of the account',
      );
    }
    const names = [...new Set(config.certificates.flatMap(({ identifiers }) => identifiers))];
    const isPrivate = config.acme.caFile !== undefined;
    return { bucket: config.bucket, names, needsResponder: used.has('http-01'), isPrivate };
  }
}

/** Files of /etc are root's; where somebody else tries it out, his. */
const ROOT = process.getuid?.() ?? 0;

const staysText = async (path: string) =>
  `${path} stays as it is: init has not written it, or somebody has changed it since (--force replaces it, and keeps it as ${await freeName(path)})`;

/** NAME.1, NAME.2 … */
async function freeName(path: string): Promise<string> {
  for (let number = 1; ; number++) {
    const name = `${path}.${number}`;
    if (!existsSync(name)) return name;
  }
}

export interface AgentPlaces {
  certsDir: string | undefined;
  /** A URL. */
  bucket: string | undefined;
}

/** What an agent.yaml that is there says of them. */
export async function readAgentPlaces(file: string): Promise<AgentPlaces | undefined> {
  const state = await readState(file);
  if (state === undefined) return undefined;
  const settings = parse(state.body.toString()) as {
    bucket?: unknown;
    haproxy?: { certsDir?: unknown } | null;
  } | null;
  const textOf = (value: unknown) => (typeof value === 'string' ? value : undefined);
  return { certsDir: textOf(settings?.haproxy?.certsDir), bucket: textOf(settings?.bucket) };
}

/** Of a package, or of the npm package that this program is in; undefined: there is none. */
export function schemaFile(name: 'pemfleet' | 'agent'): string | undefined {
  // An executable is no module of a file: there is nothing beside it.
  const isFile = import.meta.url?.startsWith('file:') ?? false;
  const places = [
    `/usr/share/pemfleet/${name}.schema.json`,
    ...(isFile ? [fileURLToPath(new URL(`../schema/${name}.schema.json`, import.meta.url))] : []),
  ];
  return places.find((path) => existsSync(path));
}

export function pemGroupOf({
  installation: { process },
}: Pick<Discovery, 'installation'>): string | undefined {
  return process === undefined || process.uid === 0 ? undefined : groupName(process.gid);
}

export const pemDirectoryGid = ({
  installation: { process },
}: Pick<Discovery, 'installation'>): number | undefined =>
  process === undefined || process.uid === 0 ? undefined : process.gid;

/** What visitors may get: of staging, nothing. */
async function presentable(directory: string, isPrivate: boolean): Promise<ServedCertificate[]> {
  const good: ServedCertificate[] = [];
  for (const certificate of await readCertificatesIn(directory, new Date())) {
    const text = (await readState(certificate.file))?.body.toString() ?? '';
    if (isPrivate || (await publicChainProblem(text)) === undefined) good.push(certificate);
  }
  return good;
}

const USUAL_PROGRAMS = ['/usr/sbin/haproxy', '/usr/local/sbin/haproxy', '/usr/bin/haproxy', '/sbin/haproxy'];

export function unusualProgram({
  installation: { program },
}: Pick<Discovery, 'installation'>): string | undefined {
  return program === undefined || USUAL_PROGRAMS.includes(program) ? undefined : program;
}

export function directoriesOf(
  bucket: string,
  certsDir: string,
  user: Account,
  readerGid: number | undefined,
): DirectoryChange[] {
  const { uid, gid } = user;
  const owned = (path: string, mode: number): DirectoryChange => ({ path, mode, uid, gid });
  const certs = { path: certsDir, mode: readerGid === undefined ? 0o700 : 0o750, uid, gid: readerGid ?? gid };
  if (!bucket.startsWith('file://')) return [certs];
  const root = fileURLToPath(bucket).replace(/\/+$/, '');
  const home = samePath(root, '/var/lib/pemfleet/bucket') ? [owned('/var/lib/pemfleet', 0o711)] : [];
  // Its keys are the issuer's alone: the unit of the agent hides what is there when it starts.
  return [certs, ...home, owned(root, 0o711), owned(join(root, 'issuer'), 0o700)].filter(
    ({ path }) => !isDirectory(path),
  );
}

const isDirectory = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/** HAProxy shares a port with nobody: its reload would fail. */
function refuseTakenPorts({ config, installation }: Discovery, plan: HaproxyPlan): void {
  const portsIn = (texts: typeof config.texts) => {
    const binds = configurationOf(texts, config.env).sections.filter(isFront).flatMap(bindsOf);
    const { http, https } = DEFAULT_PORTS;
    return [http, https].filter((port) =>
      binds.some(({ addresses }) => addresses.some((one) => hasPort(one, port))),
    );
  };
  const after = config.texts.map((one) => {
    const changed = plan.changes.find(({ file }) => file === one.file);
    return changed === undefined ? one : { ...one, text: changed.after };
  });
  const before = portsIn(config.texts);
  const taken = listeningPorts();
  const port = portsIn(after).find((one) => !before.includes(one) && taken.has(one));
  if (port === undefined) return;
  const whose = installation.process === undefined ? 'a program' : 'another program than HAProxy';
  throw new Unplannable(
    `wanted port ${port} for HAProxy, saw ${whose} listening there (ss -ltnp 'sport = :${port}'): let HAProxy have the port, with that program behind it${port === 80 ? ', or prove names by --challenge dns-01' : ''}`,
  );
}
