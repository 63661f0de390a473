/** Output of `pemfleet-agent trust`. */
import { printable } from '#common/printable.ts';
import { table } from '#common/table.ts';
import type { TrustReport } from '../agent.ts';
import { conditionMessage } from '../trust/conditions.ts';
import { EXIT } from './exit-status.ts';

/** `partly`: nobody has confirmed the key, or the published manifest is not taken. */
export function exitStatusOfTrust(reports: readonly TrustReport[]): number {
  if (reports.some(({ result }) => result === 'refused')) return EXIT.failure;
  const isWhole = ({ trust, error }: TrustReport) => trust?.isConfirmed && error === undefined;
  return reports.every(isWhole) ? EXIT.ok : EXIT.partly;
}

/** The object that `trust --json` prints. */
export function trustDocument(reports: readonly TrustReport[]) {
  return {
    version: 1,
    changed: reports.some(({ result }) => result === 'changed'),
    trust: reports.map(({ instance, trust, sequence, signedAt, error, result, message, ...rest }) => {
      const { lineage, key, recoveryKey } = trust?.trusted ?? {};
      const conditions = rest.conditions.map((one) => ({
        condition: one.condition,
        message: conditionMessage(one),
      }));
      return {
        ...{ instance, key: key ?? null, isConfirmed: trust?.isConfirmed ?? false },
        ...{ recoveryKey: recoveryKey ?? null, lineage: lineage ?? null },
        ...{ sequence: sequence ?? null, signedAt: signedAt ?? null, conditions },
        error: error ? { code: error.code, message: error.message } : null,
        ...{ result, message },
      };
    }),
  };
}

const RESULT_TEXTS = {
  changed: 'this host trusts the key by your word; a pass follows and reports it',
  unchanged: 'this host had your word before; nothing is left to do',
  refused: 'nothing has changed',
} as const;

export function trustText(reports: readonly TrustReport[]): string {
  return trustDocument(reports)
    .trust.map(({ instance, key, isConfirmed, recoveryKey, lineage, sequence, signedAt, ...rest }) => {
      const confirmed = isConfirmed ? 'confirmed' : 'not confirmed';
      const rows = [
        ...(instance === undefined ? [] : [['HAProxy', instance]]),
        ['key', key === null ? 'none yet' : `${key} (${confirmed})`],
        ['recovery key', recoveryKey ?? 'none known'],
        ['lineage', lineage ?? 'none yet'],
        ['sequence', sequence === null ? 'none yet' : `${sequence}, signed at ${signedAt}`],
      ];
      const { result } = rest;
      const said = result === undefined ? [] : [`${result}: ${rest.message ?? RESULT_TEXTS[result]}`];
      const conditions = rest.conditions.map(({ condition, message }) => `${condition}: ${message}`);
      const isTold = rest.error === null || rest.error.code === 'ERR_MANIFEST_REFUSED';
      const error = isTold ? [] : [`${rest.error?.code}: ${rest.error?.message}`];
      return [table(rows), ...[...said, ...conditions, ...error].map((line) => `${printable(line)}\n`)].join(
        '',
      );
    })
    .join('\n');
}
