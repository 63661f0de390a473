/** All lines that a HAProxy lacks, fitted into its own configuration. Pure. */
import { type Ports, planChallenges } from './challenge-lines.ts';
import { configurationOf, type HaproxyConfiguration } from './haproxy-config.ts';
import type { ConfigText } from './sections.ts';
import { planStatsSocket, type SocketHost } from './stats-socket.ts';
import { planSwitch } from './switch.ts';
import { applyEdits } from './text-edit.ts';
import { planBinds, type ServedCertificate } from './tls-binds.ts';
import { unifiedDiff } from './unified-diff.ts';

export const DEFAULT_PORTS: Ports = { http: 80, https: 443 };

export interface HaproxyPlanOptions extends SocketHost {
  directory: string;
  names: readonly string[];
  served: readonly ServedCertificate[];
  /** Where `pemfleet respond` listens; undefined: no name is proven by HTTP-01. */
  responder: string | undefined;
  proofPort: number;
  /** Certificates in pemfleet's directory that take the place of today's; undefined: they stay. */
  switchTo: readonly ServedCertificate[] | undefined;
  ports?: Ports;
}

export interface HaproxyPlan {
  /** Files that change. */
  changes: readonly (Omit<ConfigText, 'text'> & { before: string; after: string })[];
  diff: string;
  notes: readonly string[];
  statsSocket: string;
  handshake: readonly string[];
}

/** @throws Unplannable where only people can decide */
export function planHaproxy(config: HaproxyConfiguration, options: HaproxyPlanOptions): HaproxyPlan {
  const { responder, ports = DEFAULT_PORTS } = options;
  const socket = planStatsSocket(config, options);
  const bindOptions = { ...options, ports };
  const { switchTo } = options;
  const binds =
    switchTo === undefined ? planBinds(config, bindOptions) : planSwitch(config, bindOptions, switchTo);
  // Challenges come to binds that the first plan makes, too.
  const withBinds = configurationOf(edited(config.texts, [...socket.edits, ...binds.edits]), config.env);
  const challenges =
    responder === undefined ? { edits: [], notes: [] } : planChallenges(withBinds, responder, ports);
  const after = edited(withBinds.texts, challenges.edits);
  const changes = config.texts.flatMap(({ file, text, encoding }, index) => {
    const changed = after[index]?.text ?? text;
    return changed === text ? [] : [{ file, encoding, before: text, after: changed }];
  });
  return {
    changes,
    diff: changes.map(({ file, before, after: changed }) => unifiedDiff(file, before, changed)).join(''),
    notes: [...socket.notes, ...binds.notes, ...challenges.notes],
    statsSocket: socket.path,
    handshake: binds.handshake,
  };
}

const edited = (
  texts: readonly ConfigText[],
  edits: readonly Parameters<typeof applyEdits>[1][number][],
): ConfigText[] =>
  texts.map(({ file, text, encoding }) => ({
    file,
    encoding,
    text: applyEdits(
      text,
      edits.filter((edit) => edit.file === file),
    ),
  }));
