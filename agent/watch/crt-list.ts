/** The crt-list file between two passes: a stat tells that somebody has written to it, its lines whether ours are among what changed. */
import type { LeftHost } from '../agent.ts';
import { isOfDesired } from '../deploy/action.ts';
import { isSameTails, viewCrtList } from '../haproxy/crt-list-file.ts';
import type { CrtListFile, Tails } from '../haproxy/crt-list-line.ts';
import { stampAt } from '../state/stamp.ts';

export class CrtListWatch {
  #list: CrtListFile | undefined;
  #stamp: string | undefined;
  #tails: Tails = new Map();

  async reset({ view, outcomes }: LeftHost): Promise<void> {
    this.#list = view.crtListFile;
    if (this.#list === undefined) return;
    const files = outcomes.filter(isOfDesired).map(({ action }) => action.file);
    this.#stamp = stampBehind(this.#list.path);
    this.#tails = await viewCrtList(this.#list, files);
  }

  /**
   * @returns files of ours whose lines are not as the pass has left them
   * @throws HostError `ERR_CRT_LIST_FILE`
   */
  async changed(): Promise<string[]> {
    if (this.#list === undefined) return [];
    const stamp = stampBehind(this.#list.path);
    if (stamp === this.#stamp) return [];
    const tails = await viewCrtList(this.#list, this.#tails.keys());
    const changed = [...this.#tails].filter(([file, before]) => !isSameTails(before, tails.get(file)));
    if (changed.length === 0) this.#stamp = stamp;
    return changed.map(([file]) => file);
  }
}

/** Behind a link: the agent writes there, too. */
const stampBehind = (path: string) => stampAt(path, true)?.stamp;
