/**
 * Where a command runs. On a machine it has the machine's streams, files and user. In a function it has none of them: what it prints is
 * collected, its configuration is the function's, and its user is whoever the caller claims to be.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { AuditActor } from '../../audit/line.ts';
import type { Config } from '../../config/config.ts';
import type { IssuerIdentity } from '../../identity/identity.ts';
import type { CommandAlias } from './event.ts';

export interface RemoteStage {
  readonly alias: CommandAlias;
  readonly identity: IssuerIdentity;
  readonly deadline: Date;
  /** Of the caller's terminal. */
  readonly width: number;
  readonly bucketUrl: string | undefined;
  loadConfig(): Promise<Config>;
  actor(reason: string | undefined): AuditActor;
  write(stream: 'stdout' | 'stderr', text: string): boolean;
  /** Standard output is one document of JSON. */
  hasJson: boolean;
}

const stages = new AsyncLocalStorage<RemoteStage>();

/** Undefined on a machine. */
export const remoteStage = (): RemoteStage | undefined => stages.getStore();

export const onStage = <T>(stage: RemoteStage, work: () => Promise<T>): Promise<T> => stages.run(stage, work);
