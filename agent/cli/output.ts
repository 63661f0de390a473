/** Output for people and scripts: the plan, the result of a pass, the status. */
import { escapedJson, printable } from '#common/printable.ts';
import { table } from '#common/table.ts';
import type { HostStatus } from '#contract/host-status.ts';
import type { Adoption, PassResult } from '../agent.ts';

export function jsonText(document: object): string {
  return `${escapedJson(document, 2)}\n`;
}

/** The object that `sync --json` prints. */
export function resultDocument({ outcomes, status, isChanged }: PassResult, isDryRun: boolean) {
  const states = new Map(status.files.map((file) => [fileLabel(file.instance, file.file), file]));
  return {
    version: 1,
    dryRun: isDryRun,
    changed: isChanged,
    manifest: status.manifest ?? null,
    haproxy: status.haproxy,
    error: status.error ?? null,
    files: outcomes.map(({ action, instance }) => {
      const shown = states.get(fileLabel(instance, action.file));
      return {
        file: action.file,
        instance,
        certificate: action.certificate,
        action: action.kind,
        reason: action.reason,
        state: isDryRun ? undefined : (shown?.state ?? 'removed'),
        serial: shown?.runtime?.['serial'] ?? null,
        error: shown?.error ?? null,
      };
    }),
  };
}

/** `INSTANCE/FILE` on a host with several HAProxy. */
function fileLabel(instance: string | undefined, file: string): string {
  return instance === undefined ? file : `${instance}/${file}`;
}

export function planText({ outcomes, status }: PassResult): string {
  const rows = outcomes.map(({ action, instance }) => [
    fileLabel(instance, action.file),
    action.kind,
    action.reason,
  ]);
  return `${table([['FILE', 'ACTION', 'REASON'], ...rows])}${hostErrorOf(status)}`;
}

function hostErrorOf({ error }: HostStatus): string {
  return error ? `${printable(`${error.code}: ${error.message}`)}\n` : '';
}

export function statusText(status: HostStatus): string {
  const processes = status.haproxy.map(({ socket, version, pid }) => {
    const text = `HAProxy ${version ?? 'out of reach'}${pid ? `, Pid ${pid}` : ''}, ${socket}`;
    return `${printable(text)}\n`;
  });
  const rows = status.files.map((file) => [
    fileLabel(file.instance, file.file),
    file.state,
    file.runtime?.serial ?? '-',
    file.runtime?.notAfter ?? '-',
    file.handshakes?.join(' ') || '-',
    file.error ? `${file.error.code}: ${file.error.message}` : '',
  ]);
  const removals = (status.removals ?? []).map(({ file, instance, state, error }) => {
    const why = error ? `${error.code}: ${error.message}` : '';
    return [fileLabel(instance, file), `remove: ${state}`, '-', '-', '-', why];
  });
  const conditions = (status.conditions ?? []).map(
    ({ condition, since, message }) => `${printable(`${condition} since ${since}: ${message}`)}\n`,
  );
  const head = `${status.host}, fleet ${status.fleet}, ${status.reportedAt}\n${processes.join('')}${hostErrorOf(status)}${conditions.join('')}`;
  return `${head}${table([['FILE', 'STATE', 'SERIAL', 'NOT AFTER', 'PROVED ON', 'ERROR'], ...rows, ...removals])}`;
}

/** The object that `adopt --json` prints. */
export function adoptionDocument(adoptions: readonly Adoption[], isDryRun: boolean) {
  const isRefused = adoptions.some(({ kind }) => kind === 'refused');
  const files = adoptions.map(({ file, instance, kind, message }) => ({
    file,
    instance,
    result: kind,
    message,
  }));
  return { version: 1, dryRun: isDryRun, changed: !isDryRun && !isRefused, files };
}

export function adoptionText(adoptions: readonly Adoption[], isDryRun: boolean): string {
  const isRefused = adoptions.some(({ kind }) => kind === 'refused');
  const verb = isDryRun || isRefused ? 'would adopt' : 'adopted';
  const lines = adoptions.map(({ word, file, instance, kind, message }) => {
    const label = kind === 'refused' ? printable(word) : fileLabel(instance, file);
    return `${kind === 'adopted' ? `${verb} ` : ''}${label}: ${message}\n`;
  });
  return `${lines.join('')}${isRefused ? 'nothing was adopted\n' : ''}`;
}
