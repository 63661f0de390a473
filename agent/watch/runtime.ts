/** HAProxy between two passes: whether it describes our files, and lists them, as the last pass has left them. It is only asked. */
import type { HostView, LeftHost } from '../agent.ts';
import { type DesiredAction, isOfDesired, type Outcome } from '../deploy/action.ts';
import { viewCrtList } from '../haproxy/crt-list-file.ts';
import type { Tails } from '../haproxy/crt-list-line.ts';
import { isListedOtherwise, isServing, type RuntimeFile, viewFiles } from '../haproxy/view.ts';
import { stateOf } from '../pass/host-status.ts';

/** Of a file that HAProxy served when the pass ended. */
interface Served {
  serial: string;
  chainLength: number;
  hasStaple: boolean;
  tails: readonly string[];
}

export class RuntimeWatch {
  readonly #served = new Map<string, Served>();
  #host: HostView | undefined;

  async reset({ view, outcomes }: LeftHost): Promise<void> {
    this.#host = view;
    this.#served.clear();
    if (view.haproxy === undefined) return;
    const served = outcomes.filter(isOfDesired).filter((outcome) => stateOf(outcome) === 'served');
    const files = served.map(({ action }) => action.file);
    const tails: Tails = view.crtListFile ? await viewCrtList(view.crtListFile, files) : new Map();
    for (const outcome of served) {
      const { file, desired } = outcome.action;
      const { serial, chainLength } = desired;
      const hasStaple = hasStapleAfter(outcome, view);
      this.#served.set(file, { serial, chainLength, hasStaple, tails: tails.get(file) ?? [] });
    }
  }

  /**
   * @returns those that are not as the pass has left them
   * @throws RuntimeCommandFailed
   */
  async changedAmong(files: readonly string[]): Promise<string[]> {
    const watched = files.filter((file) => this.#served.has(file));
    if (this.#host === undefined || watched.length === 0) return [];
    const tails = new Map(watched.map((file) => [file, this.#served.get(file)?.tails ?? []]));
    const { runtime, config } = this.#host;
    const shown = await viewFiles(runtime, config.haproxy, tails);
    return watched.filter((file) => {
      const served = this.#served.get(file);
      const runtimeFiles = shown.get(file) ?? [];
      return served !== undefined && runtimeFiles.some((one) => !isAsServed(one, served));
    });
  }
}

function hasStapleAfter({ action, deployed }: Outcome<DesiredAction>, { haproxy }: HostView): boolean {
  if (deployed.staple !== undefined) return deployed.staple.sha256 !== undefined;
  if (deployed.isLoaded) return false;
  const runtimeFiles = haproxy?.files.get(action.file) ?? [];
  return runtimeFiles.length > 0 && runtimeFiles.every(({ certificate }) => certificate?.hasStaple === true);
}

function isAsServed(runtimeFile: RuntimeFile, served: Served): boolean {
  const isStapleLost = served.hasStaple && runtimeFile.certificate?.hasStaple === false;
  return isServing(runtimeFile, served) && !isListedOtherwise(runtimeFile) && !isStapleLost;
}
