/** What the issuing side logs, kept for a test. */
import type { Fields, Log } from '../../../lambda/log.ts';

export interface Events {
  log: Log;
  /** `certificate.kept a.test`, … */
  names(): string[];
  fieldsOf(event: string): Fields[];
  /** All that was logged, for "holds no key". */
  text(): string;
}

export function recordEvents(): Events {
  const logged: { event: string; fields: Fields }[] = [];
  return {
    log: (event, fields = {}) => logged.push({ event, fields }),
    names: () =>
      logged.map(({ event, fields }) =>
        fields['certificate'] ? `${event} ${fields['certificate']}` : event,
      ),
    fieldsOf: (wanted) => logged.flatMap(({ event, fields }) => (event === wanted ? [fields] : [])),
    text: () => JSON.stringify(logged),
  };
}
