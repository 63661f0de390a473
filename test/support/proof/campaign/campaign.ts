/**
 * A campaign: random operations on an installation with five hosts. After each of them, every name that a host has ever served gets
 * a valid certificate there; at the end, disk, HAProxy, manifest and status agree. A seed replays it.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { HOUR_MS } from '#common/time.ts';
import { codeOf } from '#contract/errors.ts';
import type { PassOptions } from '../../../../lambda/pass.ts';
import type { HaproxyVersion } from '../../parts/haproxy.ts';
import { randomFrom } from '../../random.ts';
import type { FleetHost } from '../host.ts';
import type { ConfiguredCertificate } from '../issuer.ts';
import { Backups, placesOf, type Scene, startScene } from '../scene.ts';
import { type Place, visit } from '../watch.ts';
import { assertAgreement } from './agreement.ts';
import { KINDS, PROFILES, type ProfileName } from './operations.ts';

const FLEETS = ['edge', 'edge', 'edge', 'core', 'core'] as const;
/** Something is served everywhere, and there is a backup of it. */
const BEGINNING = ['add c-first edge', 'add c-second edge core', 'pass', 'backup'];
/** Passes of both sides at the end, until nothing changes. */
const LAST_ROUNDS = 4;

export interface CampaignOptions {
  version: HaproxyVersion;
  seed: number;
  operations: number;
  /** Which operations come more often; absent: none. */
  profile?: ProfileName | undefined;
  /** Receives each operation before it begins. */
  onOperation?: (text: string) => void;
}

export interface CampaignResult {
  operations: number;
  handshakes: number;
}

export class Campaign {
  readonly scene: Scene;
  readonly backups: Backups;
  readonly random: () => number;
  /** What happened, in order. */
  readonly story: string[] = [];
  /** By host: how many operations it sleeps through. */
  readonly asleep = new Map<FleetHost, number>();
  /** Hosts that do not poll after the operation in hand. */
  readonly skipped = new Set<FleetHost>();
  /** By host and name: what it has to answer. */
  readonly #required = new Map<string, Place>();
  /** By name, as it was configured last. */
  readonly #everConfigured = new Map<string, ConfiguredCertificate>();
  readonly #withdrawn = new Set<string>();
  /** Published and not configured, and their PEMs are lost: nobody can see that others have all of their names. */
  readonly #unreadable = new Set<string>();
  readonly #weights: Readonly<Record<string, number>>;
  #names = 0;
  handshakes = 0;

  constructor(scene: Scene, seed: number, profile: ProfileName = 'all') {
    this.scene = scene;
    this.#weights = PROFILES[profile];
    this.backups = new Backups(scene);
    this.random = randomFrom(seed);
  }

  /** One of them. @throws TypeError if there is none */
  pick<T>(all: readonly T[]): T {
    const one = all[Math.floor(this.random() * all.length)];
    if (one === undefined) throw new TypeError('nothing to pick from');
    return one;
  }

  nextName(): string {
    this.#names += 1;
    return `c${this.#names}`;
  }

  get certificates(): readonly ConfiguredCertificate[] {
    return this.scene.issuer.certificates;
  }

  hostNamed(name: string): FleetHost {
    const host = this.scene.hosts.find((one) => one.name === name);
    if (host === undefined) throw new TypeError(`no host ${name}`);
    return host;
  }

  get awake(): FleetHost[] {
    return this.scene.hosts.filter((host) => !this.asleep.has(host));
  }

  /** Certificates that were configured once, and are not any more. */
  get unconfigured(): ConfiguredCertificate[] {
    const configured = new Set(this.certificates.map(({ name }) => name));
    return [...this.#everConfigured.values()].filter(({ name }) => !configured.has(name));
  }

  isWithdrawn({ name }: ConfiguredCertificate): boolean {
    return this.#withdrawn.has(name);
  }

  get #recoveryFile(): string {
    return join(this.scene.dir, 'recovery-key.json');
  }

  /** `pemfleet run`; where it says that it wants the operator's recovery key, or that hosts follow a key that it does not have, he gives it. */
  async pass(options: PassOptions = {}): Promise<void> {
    const { issuer } = this.scene;
    for (const one of this.certificates) this.#everConfigured.set(one.name, one);
    const recoverAndPass = async () => {
      this.story.push('  recover-key');
      await issuer.recoverKey(this.#recoveryFile);
      return issuer.pass(options);
    };
    const told = () => issuer.events.fieldsOf('signing-key.unknown').length;
    const before = told();
    let result = await issuer.pass(options).catch((error: unknown) => {
      if (codeOf(error) !== 'ERR_SIGNING_KEY_LOST') throw error;
      return recoverAndPass();
    });
    if (told() > before && existsSync(this.#recoveryFile)) result = await recoverAndPass();
    if (result.error !== undefined) throw result.error;
    for (const { fleet, certificate, result: kind, reason, by = [], hosts = [] } of result.unconfigured ??
      []) {
      this.story.push(`  ${fleet}/${certificate} ${kind}: ${[reason, ...by, ...hosts].join(' ')}`);
      if (reason === 'unreadable') this.#unreadable.add(certificate);
      else this.#unreadable.delete(certificate);
    }
    if (!existsSync(this.#recoveryFile)) await issuer.nameRecoveryKey(this.#recoveryFile);
  }

  /** `pemfleet key rotate`, which an issuer without its key refuses. */
  async rotateKey(): Promise<void> {
    await this.scene.issuer.rotateKey().catch((error: unknown) => {
      if (codeOf(error) !== 'ERR_SIGNING_KEY_LOST') throw error;
    });
  }

  /** `pemfleet withdraw NAME`: nobody has to answer its names any more, unless another certificate has them. */
  async withdraw(name: string): Promise<void> {
    this.#withdrawn.add(name);
    const names = this.#everConfigured.get(name)?.identifiers ?? [];
    for (const [key, { servername }] of this.#required) {
      if (names.includes(servername)) this.#required.delete(key);
    }
    const { status, stderr } = await this.scene.issuer.command(['withdraw', name, '--yes']);
    this.story.push(`  exit ${status} ${stderr.trim().split('\n').at(-1)}`);
  }

  /** Operation and the polls after it. @throws Error with what visitors got */
  async step(text: string): Promise<void> {
    this.story.push(text);
    this.skipped.clear();
    const [name = '', ...words] = text.split(' ');
    const kind = KINDS[name];
    if (kind === undefined) throw new TypeError(`no operation ${name}`);
    await kind.apply(this, ...words);
    const polling = this.awake.filter((host) => !this.skipped.has(host));
    await Promise.all(polling.map((host) => host.pass()));
    for (const [host, left] of this.asleep) {
      if (left <= 1) this.asleep.delete(host);
      else this.asleep.set(host, left - 1);
    }
    await this.check();
  }

  async check(): Promise<void> {
    const { issuer } = this.scene;
    issuer.registerPublished();
    const places = [...this.#required.values()];
    this.handshakes += places.length;
    const wrong = await visit(places, issuer.issued);
    if (wrong.length > 0) throw new Error(wrong.join('\n'));
    // What it serves once it has to serve for ever.
    const candidates = placesOf(this.scene, this.certificates).filter(
      (place) => !this.#required.has(keyOf(place)),
    );
    this.handshakes += candidates.length;
    for (const place of candidates) {
      if ((await visit([place], issuer.issued)).length === 0) this.#required.set(keyOf(place), place);
    }
  }

  /** Of two that have the same names and are not configured, one that cannot end by itself: hosts ask the operator to take it out. */
  async #takeOut(): Promise<void> {
    const statuses = await Promise.all(this.scene.hosts.map((host) => host.status()));
    const asked = statuses.flatMap(({ files }) =>
      files.flatMap(({ certificate, error }) =>
        error?.code === 'ERR_HANDSHAKE_OVERLAP' ? [certificate] : [],
      ),
    );
    for (const name of new Set(asked.filter((one) => this.#unreadable.has(one)))) {
      this.story.push(`  take-out ${name}`);
      await this.scene.issuer.command(['withdraw', name, '--yes']);
      // Its names go on being answered: the other one has them.
      await this.step('pass');
    }
  }

  /** An operation that can be done now, chosen by the seed. */
  nextOperation(): string {
    const names = Object.entries(KINDS).flatMap(([name, { weight }]) => {
      return Array<string>(this.#weights[name] ?? weight).fill(name);
    });
    for (;;) {
      const name = this.pick(names);
      const words = KINDS[name]?.choose(this);
      if (words !== undefined) return [name, ...words].join(' ');
    }
  }

  /** Everybody is awake, and works until nothing changes. */
  async end(): Promise<void> {
    this.asleep.clear();
    // A host reports once an hour what has not changed: a lost report comes again.
    for (const host of this.scene.hosts) host.aheadMs = HOUR_MS;
    for (let round = 0; round < LAST_ROUNDS; round += 1) {
      await this.step('pass');
    }
    await this.#takeOut();
    await assertAgreement(this.scene);
  }
}

const keyOf = ({ host, servername }: Place) => `${host} ${servername}`;

/** @throws Error with seed, story and what visitors got */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { version, seed, operations, profile, onOperation } = options;
  const scene = await startScene({ version, fleets: FLEETS, certificates: [], masterWorker: true });
  const campaign = new Campaign(scene, seed, profile);
  try {
    for (const text of BEGINNING) await campaign.step(text);
    for (let count = 0; count < operations; count += 1) {
      const text = campaign.nextOperation();
      onOperation?.(text);
      await campaign.step(text);
    }
    await campaign.end();
    return { operations, handshakes: campaign.handshakes };
  } catch (error) {
    const story = campaign.story.map((text, index) => `${index}: ${text}`).join('\n');
    const logs = scene.hosts
      .map(({ name, logs: all }) => `${name}:\n${all.slice(-2).join('---\n')}`)
      .join('\n');
    throw new Error(`seed ${seed}: ${(error as Error).message}\n${story}\n${logs}`, { cause: error });
  } finally {
    await scene.stop();
  }
}
