/** Our files between two passes: a stat tells that one was written to, replaced or deleted; its digest, whether that matters. */
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { LeftHost } from '../agent.ts';
import { type DiskFile, isDeploying, isOfDesired } from '../deploy/action.ts';
import { AT_A_STRETCH, viewFile, writableAmong } from '../deploy/disk.ts';
import { stapleFileOf } from '../desired/files.ts';
import { stampAt } from '../state/stamp.ts';

/** `undefined`: there is none. */
type Mark = Pick<DiskFile, 'sha256' | 'isGuarded' | 'stamp'> | undefined;

export class DiskWatch {
  /** By name in the directory: as the last pass has left it. */
  #marks = new Map<string, Mark>();
  /** Written by the pass, and different right after it. */
  readonly #early = new Set<string>();
  #host: LeftHost['view'] | undefined;

  /** What a pass leaves is what it has read, or what it was to write. */
  async reset({ view, outcomes }: LeftHost): Promise<void> {
    this.#host = view;
    this.#marks = new Map();
    this.#early.clear();
    for (const [index, { action, deployed }] of outcomes.filter(isOfDesired).entries()) {
      const { file, desired } = action;
      const isRead = !isDeploying(action);
      if (!isRead && index % AT_A_STRETCH === 0) await setImmediate();
      for (const name of [file, stapleFileOf(file)]) {
        const mark = isRead ? view.disk.get(name) : this.#view(name);
        // Most certificates have no OCSP response; one that a stranger puts there is a new name of the directory.
        if (mark !== undefined || name === file) this.#marks.set(name, mark && markOf(mark));
        if (name === file && deployed.isWritten && mark?.sha256 !== desired.sha256) this.#early.add(file);
      }
    }
  }

  /** A renewal that comes tomorrow is not the time to find out that it cannot be written. */
  async isWritable(): Promise<boolean> {
    return (await writableAmong([this.#certsDir])).length > 0;
  }

  /** @returns those that are not as the pass has left them */
  async changedAmong(files: readonly string[]): Promise<string[]> {
    const changed: string[] = [];
    for (const [index, file] of files.entries()) {
      if (index % (10 * AT_A_STRETCH) === 0) await setImmediate();
      const isChanged = [file, stapleFileOf(file)].some((name) => this.#isChanged(name));
      if (isChanged || this.#early.has(file)) changed.push(file);
    }
    return changed;
  }

  #isChanged(name: string): boolean {
    if (!this.#marks.has(name)) return false;
    const mark = this.#marks.get(name);
    const stamped = stampAt(join(this.#certsDir, name));
    if (stamped === undefined || mark === undefined) return (stamped === undefined) !== (mark === undefined);
    if (stamped.stamp === mark.stamp) return false;
    const now = this.#view(name);
    const isSame = now?.sha256 === mark.sha256 && now.isGuarded === mark.isGuarded;
    if (isSame) this.#marks.set(name, markOf(now));
    return !isSame;
  }

  get #certsDir(): string {
    return this.#host?.config.haproxy.certsDir ?? '';
  }

  #view(name: string): DiskFile | undefined {
    return this.#host && viewFile(join(this.#certsDir, name), this.#host.config.pem);
  }
}

const markOf = ({ sha256, isGuarded, stamp }: DiskFile): Mark => ({
  sha256,
  isGuarded,
  ...(stamp && { stamp }),
});
