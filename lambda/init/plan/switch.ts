/** `pemfleet init --switch`: pemfleet's certificates take the place of those that visitors got until now. */
import { type WordSpan, wordSpans } from '#common/haproxy/config-lines.ts';
import { coversName } from '../../config/identifier.ts';
import { type HaproxyConfiguration, Unplannable } from './haproxy-config.ts';
import { type BindLine, bindsOf, isFront } from './sections.ts';
import { rawLine } from './stats-socket.ts';
import { type Edit, replacement } from './text-edit.ts';
import {
  type BindPlan,
  type BindPlanOptions,
  handshakeAddressesOf,
  type ServedCertificate,
  sourcesOf,
} from './tls-binds.ts';

/** @param own certificates in pemfleet's directory that visitors may get */
export function planSwitch(
  config: HaproxyConfiguration,
  options: BindPlanOptions,
  own: readonly ServedCertificate[],
): BindPlan {
  const tls = config.sections
    .filter(isFront)
    .flatMap(bindsOf)
    .filter(({ isTls }) => isTls);
  const isProof = (bind: BindLine) =>
    bind.addresses.every((address) => address.startsWith('127.0.0.1:')) &&
    sourcesOf(bind, config).join() === options.directory;
  const visited = tls.filter((bind) => !isProof(bind));
  const names = own.flatMap((one) => one.names);
  const edits = visited.flatMap((bind) => switched(bind, config, options, names));
  if (edits.length === 0) {
    throw new Unplannable(
      `wanted a bind whose certificates pemfleet's cover (${options.directory} has ${names.join(', ') || 'none that browsers trust'}), saw none: pemfleet status shows what is still missing`,
    );
  }
  const after = visited.filter(({ line }) => edits.some(({ at }) => at === line.number - 1));
  const gone =
    after.length === visited.length ? tls.filter(isProof).flatMap((bind) => withoutLine(bind, config)) : [];
  return {
    edits: [...edits, ...gone],
    notes: [],
    handshake: [...new Set(after.flatMap(handshakeAddressesOf))],
  };
}

function switched(
  bind: BindLine,
  config: HaproxyConfiguration,
  { directory, served }: BindPlanOptions,
  names: readonly string[],
): Edit[] {
  const sources = sourcesOf(bind, config);
  if (sources.includes(directory)) return [];
  const heldBy = (source: string) => served.filter((one) => one.source === source && !one.isPlaceholder);
  const isCovered = (source: string) => {
    const held = heldBy(source).flatMap((one) => one.names);
    return held.length > 0 && held.every((name) => names.some((own) => coversName(own, name)));
  };
  if (!sources.every((source) => isCovered(source) || heldBy(source).length === 0)) return [];
  const { file, number } = bind.line;
  const raw = rawLine(config, file, number);
  const spans = wordSpans(raw, config.env);
  const pairs = spans.flatMap((span, index) =>
    ['crt', 'crt-list'].includes(span.word) ? [{ from: span, to: spans[index + 1] ?? span }] : [],
  );
  const covered = pairs.filter((_, index) => isCovered(sources[index] ?? ''));
  return covered.length === 0 ? [] : [replacement(file, number - 1, replacedIn(raw, covered, directory))];
}

function replacedIn(
  raw: string,
  pairs: readonly { from: WordSpan; to: WordSpan }[],
  directory: string,
): string {
  return [...pairs].reverse().reduce((text, { from, to }, index) => {
    const isFirst = index === pairs.length - 1;
    const tail = text.slice(to.end);
    return isFirst
      ? `${text.slice(0, from.start)}crt ${directory}${tail}`
      : text.slice(0, from.start).trimEnd() + tail;
  }, raw);
}

/** With the comment that init has put above it. */
function withoutLine({ line: { file, number } }: BindLine, config: HaproxyConfiguration): Edit[] {
  const isComment = rawLine(config, file, number - 1)
    .trim()
    .startsWith('# pemfleet: proves');
  const lines = isComment ? [number - 2, number - 1] : [number - 1];
  return lines.map((at) => ({ file, at, replaces: true, lines: [] }));
}
