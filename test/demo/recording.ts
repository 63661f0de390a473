/**
 * Draws what `npm start` has printed as a terminal in SVG, which docs/recording.svg is:
 * `npx tsx test/demo/main.ts --once 2>&1 | npx tsx test/demo/recording.ts > docs/recording.svg`. Equal text makes an equal picture.
 */
import { text as readAll } from 'node:stream/consumers';

const COLUMNS = 104;
const LINE_PX = 18;
const CHARACTER_PX = 8;
const MARGIN_PX = 16;
/** The picture is about one certificate; the others do the same. */
const SUBJECT = 'shop.example.com';

/** From the first issue on: what concerns the subject, the traffic, the status without its notes. */
export function chosenLines(recorded: string): string[] {
  const [, story = recorded] = /(?:^|\n)(2\. [\s\S]*)/.exec(recorded) ?? [];
  const lines = story
    .trimEnd()
    .split('\n')
    .map((line) => line.trimEnd());
  const isStep = (line: string) => /^ +[\d.]+ s /.test(line);
  const isOfSubject = (line: string) =>
    new RegExp(`(^| |=)${SUBJECT}( |:|$|\\.pem)`).test(line) && !line.includes('HTTP-01 answers');
  return lines
    .filter((line) =>
      isStep(line) ? isOfSubject(line) || / (client|haproxy) +/.test(line) : !line.startsWith('note:'),
    )
    .filter((line, index, all) => line !== '' || (index > 0 && all[index - 1] !== ''))
    .map((line) => (line.length > COLUMNS ? `${line.slice(0, COLUMNS - 1)}…` : line));
}

export function terminalSvg(lines: readonly string[]): string {
  const all = ['$ npm start', ...lines];
  const [width, height] = [COLUMNS * CHARACTER_PX + 2 * MARGIN_PX, all.length * LINE_PX + 2 * MARGIN_PX];
  const rows = all.map((line, index) => {
    const y = MARGIN_PX + (index + 1) * LINE_PX - 5;
    return `<text class="${classOf(line)}" x="${MARGIN_PX}" y="${y}" style="animation-delay:${(index * 0.25).toFixed(2)}s">${escapeXml(line)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="npm start: certificates are issued, loaded and proven, then renewed under traffic">
<style>text{font:13px ui-monospace,Menlo,Consolas,monospace;fill:#c9d1d9;white-space:pre;animation:a .1s both}.h{fill:#79c0ff;font-weight:bold}.p{fill:#7ee787}@keyframes a{from{opacity:0}}</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
${rows.join('\n')}
</svg>
`;
}

function classOf(line: string): string {
  if (/^\d+\. |^What|^\$/.test(line)) return 'h';
  return / (TLS|client) |proven|all is well/.test(line) ? 'p' : 't';
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

if (process.argv[1]?.endsWith('recording.ts')) {
  process.stdout.write(terminalSvg(chosenLines(await readAll(process.stdin))));
}
