/** An upgrade as a fleet lives it: the released previous issuer and agent beside today's, on one bucket, with real HAProxy. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { type FleetName, fleetName, layout } from '#contract/layout.ts';
import { type Manifest, parseManifest } from '#contract/manifest.ts';
import type { ReadRoot } from '#contract/root.ts';
import { openBucket } from '#storage/open.ts';
import type { PassOptions } from '../../lambda/pass.ts';
import { rotateKey } from '../../lambda/signing/change-key.ts';
import { type Finished, finish } from '../e2e/finish.ts';
import { parseRoot } from './parse-root.ts';
import type { FleetHost } from './proof/host.ts';
import type { ConfiguredCertificate } from './proof/issuer.ts';
import { placesOf, type Scene, startScene } from './proof/scene.ts';
import { startWatch } from './proof/watch.ts';
import { releasedProgram } from './released/released.ts';

export const fleet: FleetName = fleetName.parse('default');
export const certificateOf = (name: string): ConfiguredCertificate => ({
  ...{ name, identifiers: [`${name}.test`], fleets: [fleet] },
});

export interface UpgradeScene extends Scene {
  /** A pass of the released issuer. @returns result by certificate, for example `a: issued (missing)` */
  oldIssuer(...args: string[]): Promise<string[]>;
  /** `pemfleet status` of the released issuer. */
  oldIssuerStatus(): Promise<Finished>;
  /** A pass of today's issuer. */
  newIssuer(options?: PassOptions): Promise<string[]>;
  /** `pemfleet key rotate`, by the clock of today's issuer. */
  rotateKey(): Promise<unknown>;
  /** A pass of the released agent on this host. */
  oldAgent(host: FleetHost, ...args: string[]): Promise<Finished>;
  /** Serial that the manifest of version 1 names. */
  serialInVersion1(name: string): string | undefined;
  /** Serial that the root names. */
  serialInRoot(name: string): string | undefined;
  version1(): Manifest;
  root(): ReadRoot;
  /** Ends the visits. @throws unless each visitor got a right certificate */
  assertNeverDark(): Promise<void>;
}

/** The released issuer has published these certificates, and the released agent of each host serves them; visitors come from then on. */
export async function startUpgrade(
  t: TestContext,
  { names, hosts }: { names: readonly string[]; hosts: number },
): Promise<UpgradeScene> {
  const certificates = names.map(certificateOf);
  const fleets = Array.from({ length: hosts }, () => fleet);
  const scene = await startScene({ version: '3.2', fleets, certificates });
  t.after(scene.stop);
  const programs = programsOf(scene);
  assert.deepEqual(
    await programs.oldIssuer(),
    names.map((name) => `${name}: issued (missing)`),
  );
  for (const host of scene.hosts) await programs.oldAgent(host);
  const endOfVisits = startWatch(t, () => placesOf(scene, certificates), scene.issuer.issued);
  const assertNeverDark = async () => {
    const { wrong, missing, handshakes } = await endOfVisits();
    assert.deepEqual([wrong, missing], [[], []]);
    assert.ok(handshakes > 0);
  };
  return { ...scene, ...programs, ...documentsOf(scene), assertNeverDark };
}

interface NamedResult {
  certificate: string;
  result: string;
  reason: string;
}

function programsOf(scene: Scene) {
  const { dir, issuer } = scene;
  const oldIssuer = async (...args: string[]) => {
    const words = ['run', '--json', '--config', join(dir, 'pemfleet.yaml'), ...args];
    const { stdout, stderr } = await finish(releasedProgram('cli'), words);
    issuer.registerPublished();
    if (stdout === '') throw new Error(`the released issuer says nothing: ${stderr}`);
    const { outcomes } = JSON.parse(stdout) as { outcomes: NamedResult[] };
    return resultsOf(outcomes);
  };
  const newIssuer = async (options: PassOptions = {}) => {
    const { outcomes, error } = await issuer.pass(options);
    if (error !== undefined) throw error;
    return resultsOf(outcomes);
  };
  const oldAgent = async (host: FleetHost, ...args: string[]) => {
    const words = ['sync', '--config', join(dir, host.name, 'agent.yaml'), ...args];
    const done = await finish(releasedProgram('agent'), words);
    assert.equal(done.status, 0, `the released agent: ${done.stderr}`);
    return done;
  };
  const oldIssuerStatus = () =>
    finish(releasedProgram('cli'), ['status', '--config', join(dir, 'pemfleet.yaml')]);
  const rotateKeyNow = async () => {
    const bucket = await openBucket(pathToFileURL(issuer.bucketDir).href);
    const now = new Date(Date.now() + issuer.aheadMs);
    return rotateKey({ bucket, configured: [fleet], now, dryRun: false });
  };
  return { oldIssuer, oldIssuerStatus, newIssuer, oldAgent, rotateKey: rotateKeyNow };
}

function resultsOf(outcomes: readonly NamedResult[]): string[] {
  return outcomes.map(({ certificate, result, reason }) => `${certificate}: ${result} (${reason})`);
}

function documentsOf({ issuer }: Scene) {
  const read = (key: string) => readFileSync(join(issuer.bucketDir, key));
  const version1 = () => parseManifest(fleet, read(layout.manifest(fleet)));
  const root = () => parseRoot(fleet, read(layout.root(fleet)));
  const serialIn = ({ certificates }: Pick<Manifest, 'certificates'>, name: string) =>
    Object.entries(certificates).find(([key]) => key === name)?.[1].pems[0]?.serial;
  return {
    version1,
    root,
    serialInVersion1: (name: string) => serialIn(version1(), name),
    serialInRoot: (name: string) => serialIn(root().manifest, name),
  };
}

/** A certificate's times have whole seconds: one that is issued in the second of a commit is not younger than it. */
export async function nextSecond(): Promise<void> {
  await sleep(1000 - (Date.now() % 1000));
}
