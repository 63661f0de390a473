/** What adopt prints for people. */
import { printable } from '#common/printable.ts';
import type { ClientState } from '../../adopt/clients/lineage.ts';
import type { AdoptionPlan } from '../../adopt/plan/adoption-plan.ts';

const MAX_LINES = 100;
const MAX_HOOKS = 20;

export function adoptionPlanText(plan: AdoptionPlan): string {
  const { certificates, leftOut, cas, notes, todos } = plan;
  const rows = certificates.map(({ spec, files, notAfter }) => {
    const until = notAfter.toISOString().slice(0, 10);
    const what = spec.isImported ? 'imported' : `${spec.challenge}, then renewed by pemfleet`;
    return `  ${spec.identifiers.join(', ')}  (${files.map(({ file }) => file).join(', ')}; until ${until}; ${what})`;
  });
  const accounts = cas.flatMap(({ account, directoryUrl }) =>
    account === undefined
      ? []
      : [`account   of ${account.client} at ${directoryUrl}: ${account.url ?? account.file}`],
  );
  const left = leftOut.map(({ file, why }) => `  not ${file}: ${why}`);
  const lines = [
    'HAProxy serves these certificates, and goes on:',
    ...cappedLines(rows),
    ...cappedLines(left),
    ...accounts,
    ...cappedLines(notes.map((note) => `note: ${note}`)),
    ...todos.map((todo) => `before the next renewal: ${todo}`),
  ];
  return lines.map((line) => `${printable(line)}\n`).join('');
}

export function cappedLines(lines: readonly string[]): string[] {
  const more =
    lines.length > MAX_LINES ? [`  … and ${lines.length - MAX_LINES} more (--json has them all)`] : [];
  return [...lines.slice(0, MAX_LINES), ...more];
}

/** Programs that the old client starts when it renews: pemfleet starts none of them. */
export function hookNotes(clients: readonly ClientState[]): string[] {
  return clients.flatMap(({ client, lineages }) => {
    const hooks = [...new Set(lineages.flatMap((lineage) => lineage.hooks))];
    if (hooks.length === 0) return [];
    const some = hooks.slice(0, MAX_HOOKS).join('; ');
    const more = hooks.length > MAX_HOOKS ? ` and ${hooks.length - MAX_HOOKS} more` : '';
    return [
      `${client} starts programs at a renewal, pemfleet does not: ${some}${more}. The agent itself writes the PEM and loads it into HAProxy; what else they do (a mail, another service) belongs into hooks.proved of agent.yaml`,
    ];
  });
}
