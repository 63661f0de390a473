/** What `npm start` shows while it runs: one line per fact, with the seconds since the start. */

export interface Timeline {
  chapter(title: string): void;
  fact(actor: string, text: string): void;
  /** A table or several lines, printed unchanged. */
  block(text: string): void;
}

const PLAIN = { dim: '', bold: '', reset: '' };
const COLOURS = { dim: '\u001b[2m', bold: '\u001b[1m', reset: '\u001b[0m' };

export function createTimeline(
  write: (text: string) => void,
  isColoured: boolean,
  elapsedMs: () => number,
): Timeline {
  const { dim, bold, reset } = isColoured ? COLOURS : PLAIN;
  const clock = () => `${(elapsedMs() / 1000).toFixed(1).padStart(6)} s`;
  return {
    chapter: (title) => write(`\n${bold}${title}${reset}\n`),
    fact: (actor, text) => write(`${dim}${clock()}${reset}  ${actor.padEnd(9)} ${text}\n`),
    block: (text) => write(`\n${text}\n`),
  };
}

/** A JSON log line of the issuer in words; undefined for events that the timeline leaves out. */
export function describeIssuerLine(line: string): string | undefined {
  if (!line.startsWith('{')) return undefined;
  const { message, certificate, reason, order, identifiers, serial, error, type, fleet } = JSON.parse(
    line,
  ) as Record<string, string>;
  const texts: Record<string, string> = {
    'certificate.due': `${certificate} is due (${reason})`,
    'order.created': `ordered ${certificate}: ${order}`,
    'challenge.presented':
      type === 'dns-01'
        ? `put the DNS-01 values for ${identifiers} into Route 53`
        : `put the HTTP-01 answers for ${identifiers} into the bucket`,
    'certificate.issued': `${certificate} issued, serial ${serial}`,
    'manifest.published': `${certificate} published`,
    'fleet.notified': `notified the fleet ${fleet} by SSM Run Command`,
    'certificate.failed': `${certificate} failed: ${error}`,
  };
  return texts[message ?? ''];
}

/** A `key=value` log line of the agent in words; undefined for events that the timeline leaves out. */
export function describeAgentLine(line: string): string | undefined {
  const event = /event=(\S+)/.exec(line)?.[1] ?? '';
  const fields = line.replace(/^.*?event=\S+\s*/, '');
  const shown = [
    'manifest.changed',
    'certificate.installed',
    'certificate.loaded',
    'certificate.proven',
    'certificate.failed',
    'pem.rejected',
    'run.failed',
  ];
  return shown.includes(event) ? `${event.replace(/^.*\./, '')} ${fields}` : undefined;
}
