/** A zone in memory that takes and refuses batches as Route 53 does, and fails where a test says so. */
import type { ChangeResult, TxtZone } from '../../../lambda/challenge/route53/change-batcher.ts';
import type { TxtChange, TxtRecordSet } from '../../../lambda/challenge/route53/txt-record-set.ts';

export interface FakeZone extends TxtZone {
  readonly sets: Map<string, TxtRecordSet>;
  /** Every request that came, in order: `change CREATE a, DELETE b`, `list a`, `wait 1`. */
  readonly requests: string[];
  /** Batches with one of these names are refused. */
  readonly refusing: Set<string>;
  /** The next request of this kind fails, before it is done or after. */
  failNext(request: 'change' | 'list' | 'wait', when?: 'before' | 'after'): void;
}

export class Lost extends Error {}

export function fakeZone(initial: Record<string, TxtRecordSet> = {}): FakeZone {
  const sets = new Map(Object.entries(initial));
  const requests: string[] = [];
  const refusing = new Set<string>();
  let fault: { request: string; when: 'before' | 'after' } | undefined;
  let count = 0;

  async function asked<T>(request: string, detail: string, work: () => T): Promise<T> {
    requests.push(`${request} ${detail}`);
    await Promise.resolve();
    const when = fault?.request === request ? fault.when : undefined;
    if (when !== undefined) fault = undefined;
    if (when === 'before') throw new Lost(request);
    const answer = work();
    if (when === 'after') throw new Lost(request);
    return answer;
  }

  function apply(changes: readonly TxtChange[]): ChangeResult {
    const next = new Map(sets);
    for (const change of changes) {
      const reason = refusing.has(change.name) ? `${change.name} is not permitted` : step(next, change);
      if (reason !== undefined) return { refused: reason };
    }
    sets.clear();
    for (const [name, set] of next) sets.set(name, set);
    count += 1;
    return { id: String(count) };
  }

  return {
    title: 'hosted zone test (Z1)',
    sets,
    requests,
    refusing,
    failNext: (request, when = 'before') => {
      fault = { request, when };
    },
    change: (changes) =>
      asked('change', changes.map(({ action, name }) => `${action} ${name}`).join(', '), () =>
        apply(changes),
      ),
    list: (names) =>
      asked('list', names.join(', '), () => new Map([...sets].filter(([name]) => names.includes(name)))),
    waitInsync: (id) => asked('wait', id, () => undefined),
  };
}

/** @returns why the change is refused */
function step(sets: Map<string, TxtRecordSet>, { action, name, set }: TxtChange): string | undefined {
  const found = sets.get(name);
  if (action === 'CREATE') {
    if (found !== undefined) return `${name} already exists`;
    sets.set(name, set);
    return undefined;
  }
  if (found === undefined) return `${name} was not found`;
  if (found.ttl !== set.ttl || [...found.values].sort().join() !== [...set.values].sort().join()) {
    return `${name}: the values do not match`;
  }
  sets.delete(name);
  return undefined;
}
