/**
 * Takes a certificate that the manifest no longer names out of HAProxy and off the disk. What HAProxy holds on to (a bind's
 * default certificate, a file that its configuration names) waits for its next reload; and nothing is removed
 * without which HAProxy would not start.
 */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type ConfigLine, positionsNaming } from '#common/haproxy/config-lines.ts';
import type { HostView } from '../agent.ts';
import { stapleFileOf } from '../desired/files.ts';
import { RuntimeCommandFailed } from '../errors.ts';
import { readConfigLines } from '../haproxy/config-files.ts';
import { hasOtherLines } from '../haproxy/crt-list-file.ts';
import type { RuntimeFile } from '../haproxy/view.ts';
import type { RemovingAction } from './action.ts';
import { dropPrevious, removeDurably } from './install.ts';
import { showCrtListOnce, unload } from './load.ts';
import { installPlaceholder } from './placeholder.ts';

export class Remover {
  readonly #view: HostView;
  readonly #showCrtList;
  /** `undefined`: this user cannot read it. */
  #lines: Promise<ConfigLine[] | undefined> | undefined;
  #lists: readonly string[] | undefined;
  /** There is a bind without strict-sni, which does not start without a certificate. */
  #needsOne: boolean;
  /** Out of HAProxy, and soon off the disk: HAProxy's next start has none of them. */
  readonly #leaving = new Set<string>();

  constructor(view: HostView, actions: readonly RemovingAction[]) {
    this.#view = view;
    this.#showCrtList = showCrtListOnce(view.runtime);
    const isHeld = ({ file }: RemovingAction) =>
      !view.disk.has(file) &&
      view.haproxy?.files.get(file)?.some(({ certificate }) => certificate?.status === 'Used');
    this.#needsOne = actions.some(isHeld);
  }

  /**
   * @returns why HAProxy keeps it until its next reload; the file may be removed all the same
   * @throws RuntimeCommandFailed `ERR_RUNTIME_IN_USE`: the file must stay
   */
  async unload({ file }: RemovingAction): Promise<RuntimeCommandFailed | undefined> {
    const runtimeFiles = this.#view.haproxy?.files.get(file) ?? [];
    const places = [
      ...positionsNaming(file, (await this.#config()) ?? []),
      ...(await this.#otherListsNaming(file, runtimeFiles)),
    ];
    let held: RuntimeCommandFailed | undefined;
    for (const runtimeFile of runtimeFiles) {
      try {
        await unload(this.#view.runtime, runtimeFile, this.#showCrtList);
      } catch (error) {
        if (!(error instanceof RuntimeCommandFailed) || error.code !== 'ERR_RUNTIME_IN_USE') throw error;
        held = error;
      }
    }
    const isDefault = held?.verb === 'del ssl crt-list';
    if (isDefault) this.#needsOne = true;
    if (places.length > 0 || (held !== undefined && !isDefault)) throw inUse(file, named(places), held);
    const isAlias = runtimeFiles.some(({ alias }) => alias !== undefined);
    if ((isDefault || isAlias) && (await this.#config()) === undefined) throw inUse(file, UNREADABLE, held);
    this.#leaving.add(file);
    try {
      if (this.#needsOne && !(await this.#hasAnother())) await this.#replaceLast(file, held);
    } catch (error) {
      this.#leaving.delete(file);
      throw error;
    }
    return isDefault ? inUse(file, DEFAULT, held) : undefined;
  }

  /** To call when no line of a crt-list names the file any more: with such a line HAProxy does not start. */
  async remove({ file, hasForeignStaple }: RemovingAction): Promise<void> {
    const path = join(this.#view.config.haproxy.certsDir, file);
    for (const ours of [path, ...(hasForeignStaple ? [] : [stapleFileOf(path)])]) {
      await removeDurably(ours);
      await dropPrevious(ours);
    }
  }

  #config(): Promise<ConfigLine[] | undefined> {
    this.#lines ??= this.#view.runtime.showEnvironment().then(readConfigLines, () => undefined);
    return this.#lines;
  }

  /** Crt-lists that another hand has written: HAProxy does not start if a line of theirs names a missing file. */
  async #otherListsNaming(file: string, runtimeFiles: readonly RuntimeFile[]): Promise<string[]> {
    const ours = runtimeFiles.map(({ crtList }) => crtList);
    this.#lists ??= await this.#view.runtime.showCrtLists();
    const naming: string[] = [];
    for (const list of this.#lists.filter((name) => !ours.includes(name))) {
      const names = [...(await this.#showCrtList(list)).keys()];
      // A directory that another bind loads has a file of its own by that name.
      const isNamed = (name: string) => basename(name) === file && dirname(name) !== list.replace(/\/+$/, '');
      if (names.some(isNamed)) naming.push(list);
    }
    return naming;
  }

  /** Whether HAProxy would load another file at its next start. */
  async #hasAnother(): Promise<boolean> {
    const { crtListFile, config } = this.#view;
    if (crtListFile !== undefined) return hasOtherLines(crtListFile, this.#leaving);
    const entries = await readdir(config.haproxy.certsDir, { withFileTypes: true });
    const isLoaded = (name: string) => !name.startsWith('.') && !/\.(key|ocsp|issuer|sctl)$/.test(name);
    return entries.some((one) => !one.isDirectory() && isLoaded(one.name) && !this.#leaving.has(one.name));
  }

  async #replaceLast(file: string, held: RuntimeCommandFailed | undefined): Promise<void> {
    if (!this.#view.config.haproxy.placeholder) throw inUse(file, LAST, held);
    await installPlaceholder(this.#view);
  }
}

const DEFAULT =
  "HAProxy keeps it as a bind's default certificate until its next reload or restart; the file is removed from the disk";
const LAST =
  'it is the last certificate, and HAProxy would not start without one: it stays until another is there, or until the bind has strict-sni';
const UNREADABLE =
  "HAProxy's configuration may name the file, and this user cannot read it: the file stays; take it out there, reload, then delete the file";

function named(places: readonly string[]): string {
  const where =
    places.length > 0 ? `: ${places.slice(0, 3).join(', ')}` : ' (crt FILE, default-crt, ssl-f-use)';
  return `HAProxy's configuration names the file${where}: it stays, for HAProxy would not start without it; take it out there, then reload`;
}

function inUse(file: string, detail: string, held: RuntimeCommandFailed | undefined): RuntimeCommandFailed {
  const request = { verb: held?.verb ?? 'del ssl cert', filename: held?.filename ?? file };
  const { severity, firstLine } = held ?? {};
  return new RuntimeCommandFailed('ERR_RUNTIME_IN_USE', request, detail, {
    cause: held,
    answer: { severity, firstLine },
  });
}
