/**
 * From what a release was made: a statement of in-toto (https://in-toto.io/Statement/v1) with a predicate of SLSA
 * (https://slsa.dev/spec/v1.0/provenance). It is not signed; SHA256SUMS, which names it, can be.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { PINNED } from '../runtime.ts';
import type { FileDigest } from './sums.ts';

/** The sources of a build. */
export interface SourceState {
  commit: string;
  /** Whether files differ from the commit. */
  isModified: boolean;
  /** Time of the commit, or SOURCE_DATE_EPOCH: of all files in the release. */
  seconds: number;
}

/** @throws Error outside of a clone */
export function readSourceState(root: string, env: NodeJS.ProcessEnv): SourceState {
  const git = (...args: string[]) => execFileSync('git', ['-C', root, ...args], { encoding: 'utf8' }).trim();
  return {
    commit: git('rev-parse', 'HEAD'),
    isModified: git('status', '--porcelain', '--untracked-files=no') !== '',
    seconds: Number(env['SOURCE_DATE_EPOCH'] ?? git('log', '-1', '--format=%ct')),
  };
}

export interface ProvenanceInputs {
  source: SourceState;
  version: string;
  /** Text of package-lock.json. */
  lock: string;
  subjects: readonly FileDigest[];
  env: NodeJS.ProcessEnv;
}

export function makeProvenance({ source, version, lock, subjects, env }: ProvenanceInputs) {
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: subjects.map(({ name, sha256 }) => ({ name, digest: { sha256 } })),
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'urn:pemfleet:release:1',
        externalParameters: { commit: source.commit, command: 'npm run release', version },
        internalParameters: { isModified: source.isModified, sourceDateEpoch: source.seconds },
        resolvedDependencies: [
          { name: 'source', digest: { gitCommit: source.commit } },
          {
            name: 'package-lock.json',
            digest: { sha256: createHash('sha256').update(lock).digest('hex') },
          },
          ...Object.entries(PINNED).map(([name, integrity]) => ({
            uri: `pkg:npm/${name}`,
            digest: {
              sha512: Buffer.from(integrity.slice('sha512-'.length), 'base64').toString('hex'),
            },
          })),
        ],
      },
      runDetails: { builder: { id: builderOf(env) } },
    },
  };
}

/** The workflow that ran, or this machine, which nobody can vouch for. */
function builderOf(env: NodeJS.ProcessEnv): string {
  const { GITHUB_SERVER_URL: server, GITHUB_WORKFLOW_REF: workflow } = env;
  return server !== undefined && workflow !== undefined
    ? `${server}/${workflow}`
    : 'urn:pemfleet:local-build';
}
