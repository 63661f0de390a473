// The issuer of a stage: its real publisher, pass, figures and status over the stage's store. Its CA is out of reach, so that certificates are a test's.
import { MINUTE_MS } from '#common/time.ts';
import { certificateName, type FleetName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { http01Solver } from '../../../lambda/challenge/http01.ts';
import type { PassMetrics } from '../../../lambda/figures/metrics.ts';
import { afterPass } from '../../../lambda/pass/after-pass.ts';
import { runPass } from '../../../lambda/pass/run-pass.ts';
import { Publisher } from '../../../lambda/publication/publisher.ts';
import { openSigningKey, type Signing } from '../../../lambda/signing/signing-key.ts';
import { readWholeStatus, type WholeStatus } from '../../../lambda/status/whole-status.ts';
import { publisherOptions } from '../../../lambda/upgrade/along.ts';
import { entryFor } from '../agent/publish.ts';
import { DIRECTORY_URL, makeConfig } from '../issuer/documents.ts';
import { recordEvents } from '../issuer/events.ts';
import { onlySolver } from '../issuer/only-solver.ts';
import { unreachableCa } from '../issuer/pass.ts';
import { certificatesOf } from '../manifest.ts';
import type { LeafOptions, Pki } from '../parts/pki.ts';
import type { StageClock } from './store.ts';

/** The default of `--grace`. */
const GRACE_MS = 2 * MINUTE_MS;

export interface TruthIssuerOptions {
  bucket: Bucket;
  fleet: FleetName;
  clock: StageClock;
  pki: Pki;
}

export class TruthIssuer {
  readonly #options: TruthIssuerOptions;
  readonly #signing: Signing;
  /** Names of each configured certificate. */
  readonly #configured = new Map<string, readonly string[]>();
  /** The published PEMs, by certificate. */
  readonly #pems = new Map<string, string>();
  /** What pemfleet.yaml says beside them. */
  #settings: object = {};
  readonly events = recordEvents();

  private constructor(options: TruthIssuerOptions, signing: Signing) {
    this.#options = options;
    this.#signing = signing;
  }

  static async open(options: TruthIssuerOptions): Promise<TruthIssuer> {
    const { bucket, fleet } = options;
    return new TruthIssuer(options, await openSigningKey(bucket, { fleets: [fleet], dryRun: false }));
  }

  /** Of which hosts take manifests. */
  get key(): string {
    return this.#signing.signer.key;
  }

  /** What is published; empty: nothing. */
  pemOf(name: string): string {
    return this.#pems.get(name) ?? '';
  }

  configure(name: string, identifiers: readonly string[] = [`${name}.test`]): void {
    this.#configured.set(name, identifiers);
  }

  /** It stays published. */
  forget(name: string): void {
    this.#configured.delete(name);
  }

  set(settings: object): void {
    this.#settings = settings;
  }

  /** Configures and publishes it, or its renewal. @returns the PEM */
  async publish(name: string, leaf: Partial<LeafOptions> = {}): Promise<string> {
    const { clock, pki } = this.#options;
    const names = leaf.names ?? this.#configured.get(name) ?? [`${name}.test`];
    this.configure(name, names);
    const { combined } = await pki.issue({ ...leaf, names });
    const { pems, ...rest } = entryFor(combined, names);
    const issued = { directoryUrl: DIRECTORY_URL, accountUrl: 'https://ca.test/account/1' };
    const entry = { ...rest, pems, issued, publishedAt: clock.now().toISOString() };
    const [pem] = pems;
    const sha256 = pem?.sha256 ?? '';
    const one = certificatesOf({ [name]: entry })[certificateName.parse(name)] as ManifestEntry;
    await this.#publisher().publish(certificateName.parse(name), one, [{ sha256, text: combined }]);
    this.#pems.set(name, combined);
    return combined;
  }

  /** `pemfleet withdraw`, and out of the configuration. */
  async withdraw(...names: string[]): Promise<void> {
    for (const name of names) this.forget(name);
    const all = names.map((name) => certificateName.parse(name));
    for (const name of names) this.#pems.delete(name);
    await this.#publisher().withdraw(all, { reason: 'withdrawn', yes: true });
  }

  /** `pemfleet status --json`. */
  status(): Promise<WholeStatus> {
    const { bucket, clock } = this.#options;
    return readWholeStatus({ bucket, config: this.#config(), graceMs: GRACE_MS, now: clock.now });
  }

  /**
   * `pemfleet run`: what it writes to CloudWatch and Prometheus.
   * @param inMs it runs so much later
   */
  async figures(inMs = 0): Promise<PassMetrics> {
    const { bucket, clock } = this.#options;
    const now = () => new Date(clock.now().getTime() + inMs);
    const timing = {
      now,
      sleep: async () => undefined,
      deadline: new Date(now().getTime() + 10 * MINUTE_MS),
    };
    const config = this.#config();
    const pass = { bucket, config, timing, log: this.events.log, options: {}, signing: this.#signing };
    const ways = {
      cas: new Map([[DIRECTORY_URL, unreachableCa()]]),
      solvers: onlySolver(http01Solver(bucket)),
      random: () => 0,
    };
    const result = await runPass({ ...pass, ...ways });
    if (result.error !== undefined) throw result.error;
    return (await afterPass(pass, undefined, result)).metrics;
  }

  #config() {
    const { fleet } = this.#options;
    const certificates = [...this.#configured].map(([name, identifiers]) => {
      return { name, identifiers, fleets: [fleet] };
    });
    return makeConfig(certificates, this.#settings);
  }

  #publisher(): Publisher {
    const { bucket, fleet, clock } = this.#options;
    return new Publisher(bucket, fleet, publisherOptions(bucket, this.#signing, clock.now));
  }
}
