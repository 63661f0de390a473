/** The bill of materials in CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/): what is in the executables, and in nothing else. */
import { createHash } from 'node:crypto';
import { PINNED, RUNTIMES } from '../runtime.ts';
import type { BundledPackage } from './notices.ts';

/** `packages` of package-lock.json: by folder. */
export type LockedPackages = Readonly<Record<string, { version?: string; integrity?: string }>>;

/** A program and the packages in its bundle. */
export interface ProgramParts {
  name: string;
  packages: readonly BundledPackage[];
}

export interface SbomInputs {
  version: string;
  programs: readonly ProgramParts[];
  locked: LockedPackages;
  /** Time of the sources, in seconds since 1970. */
  seconds: number;
}

/** @throws Error if package-lock.json does not have the digest of a package in a bundle */
export function makeSbom({ version, programs, locked, seconds }: SbomInputs) {
  const byPurl = new Map(
    programs.flatMap(({ packages }) => packages).map((one) => [purlOf(one.name, one.version), one] as const),
  );
  const runtimes = Object.values(RUNTIMES).map((name) => runtimeComponent(name));
  const ours = programs.map(({ name }) => ({
    type: 'application',
    'bom-ref': purlOf(name, version),
    name,
    version,
    licenses: [{ license: { id: 'Apache-2.0' } }],
  }));
  const packages = [...byPurl].sort(([a], [b]) => (a < b ? -1 : 1));
  const document = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      timestamp: new Date(seconds * 1000).toISOString(),
      component: { type: 'application', 'bom-ref': 'release', name: 'pemfleet-release', version },
    },
    components: [
      ...ours,
      ...runtimes,
      ...packages.map(([purl, one]) => ({
        type: 'library',
        'bom-ref': purl,
        name: one.name,
        version: one.version,
        purl,
        licenses: [licenseOf(one.license)],
        hashes: [sha512(integrityOf(locked, one))],
      })),
    ],
    dependencies: [
      { ref: 'release', dependsOn: ours.map((one) => one['bom-ref']) },
      ...programs.map(({ name, packages }) => ({
        ref: purlOf(name, version),
        dependsOn: [
          ...runtimes.map((one) => one['bom-ref']),
          ...new Set(packages.map((one) => purlOf(one.name, one.version))),
        ].sort(),
      })),
    ],
  };
  return { ...document, serialNumber: serialOf(document) };
}

/** https://github.com/package-url/purl-spec: the scope's @ is escaped. */
const purlOf = (name: string, version: string) => `pkg:npm/${name.replace(/^@/, '%40')}@${version}`;

/** Node.js as its npm package has it. */
function runtimeComponent(pinned: (typeof RUNTIMES)[keyof typeof RUNTIMES]) {
  const [name = '', version = ''] = pinned.split('@');
  const purl = purlOf(name, version);
  return {
    type: 'platform',
    'bom-ref': purl,
    name,
    version,
    purl,
    licenses: [{ license: { id: 'MIT' } }],
    hashes: [sha512(PINNED[pinned])],
  };
}

function licenseOf(expression: string) {
  return /[ ()]/.test(expression) ? { expression } : { license: { id: expression } };
}

function integrityOf(locked: LockedPackages, { name, version }: BundledPackage): string {
  const entry = Object.entries(locked).find(
    ([folder, one]) => folder.endsWith(`node_modules/${name}`) && one.version === version,
  );
  const integrity = entry?.[1].integrity;
  if (!integrity?.startsWith('sha512-')) {
    throw new Error(
      `package-lock.json: wanted the sha512 of ${name} ${version}, saw ${integrity}: run "npm ci" and build again`,
    );
  }
  return integrity;
}

function sha512(integrity: string) {
  return {
    alg: 'SHA-512',
    content: Buffer.from(integrity.slice('sha512-'.length), 'base64').toString('hex'),
  };
}

/** Equal content, equal number: a random one would differ from build to build. */
function serialOf(document: unknown): string {
  const hex = createHash('sha256').update(JSON.stringify(document)).digest('hex');
  const [, a, b, c, d] = /^(.{8})(.{4}).(.{3}).(.{15})/.exec(hex) ?? [];
  return `urn:uuid:${a}-${b}-8${c}-a${d?.slice(0, 3)}-${d?.slice(3)}`;
}
