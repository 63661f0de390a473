/**
 * A directory as the bucket is watched (inotify(7)), so that the agent comes at once to what the issuer publishes. It decides nothing:
 * an event is a poll that comes early, and the polls go on whatever it misses.
 */
import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { codeOf } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import type { AgentConfig } from '../config/config.ts';
import type { Log } from '../log.ts';
import { errorFields } from '../pass/log-outcome.ts';

/** What an issuer writes in one go is one poll. */
const BURST_MS = 100;

export interface BucketWatchOptions {
  config: Pick<AgentConfig, 'bucket' | 'fleet'>;
  /** Called once for all events of a burst. */
  onChange: () => void;
  log: Log;
}

export class BucketWatch {
  readonly #folder: string;
  readonly #names: ReadonlySet<string>;
  readonly #options: BucketWatchOptions;
  #watcher: FSWatcher | undefined;
  /** Path, device and inode of the directory that is watched. */
  #watched = '';
  #burst: NodeJS.Timeout | undefined;
  #failure = '';

  private constructor(root: string, options: BucketWatchOptions) {
    const { fleet } = options.config;
    this.#options = options;
    this.#folder = join(root, layout.published(fleet)).replace(/\/$/, '');
    this.#names = new Set([layout.root(fleet), layout.manifest(fleet)].map((key) => basename(key)));
  }

  /** @returns undefined for a bucket that is no directory of this machine */
  static of(options: BucketWatchOptions): BucketWatch | undefined {
    const { bucket } = options.config;
    return bucket.startsWith('file:') ? new BucketWatch(fileURLToPath(bucket), options) : undefined;
  }

  /**
   * Watches the fleet's folder; where it is not there yet, what there is of the way to it. Before each sleep: another directory may
   * have taken its place. What is watched anew may have changed before, so that is an event, too.
   */
  async renew(): Promise<void> {
    try {
      const place = await nearestDirectory(this.#folder);
      if (place.id === this.#watched) return;
      this.#stop();
      const next = this.#folder.slice(place.path.length + 1).split('/')[0] ?? '';
      this.#watcher = watch(place.path, { persistent: false }, (_event, name) => {
        const isOurs = next === '' ? this.#names.has(name ?? '') : name === next;
        // Its own name: the directory itself has gone.
        if (name === null || isOurs || name === basename(place.path)) this.#noteEvent();
      });
      this.#watcher.on('error', (error) => this.#fail(error));
      this.#watched = place.id;
      this.#failure = '';
      this.#noteEvent();
    } catch (error) {
      this.#fail(error);
    }
  }

  close(): void {
    clearTimeout(this.#burst);
    this.#stop();
  }

  #noteEvent(): void {
    this.#burst ??= setTimeout(() => {
      this.#burst = undefined;
      this.#options.onChange();
    }, BURST_MS).unref();
  }

  /** Said once; the polls go on, and each tries to watch again. */
  #fail(error: unknown): void {
    this.#stop();
    if (codeOf(error) === this.#failure) return;
    this.#failure = codeOf(error);
    this.#options.log('watch.failed', errorFields(error));
  }

  #stop(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#watched = '';
  }
}

async function nearestDirectory(path: string): Promise<{ path: string; id: string }> {
  try {
    const stats = await stat(path);
    if (stats.isDirectory()) return { path, id: `${path} ${stats.dev} ${stats.ino}` };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if ((code !== 'ENOENT' && code !== 'ENOTDIR') || path === '/') throw error;
  }
  return nearestDirectory(dirname(path));
}
