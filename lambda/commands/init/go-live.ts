/** `pemfleet go-live`: from the CA's staging to production, once everything is proved with staging's certificates. */
import { existsSync } from 'node:fs';
import { isScalar, parseDocument } from 'yaml';
import { ConfigError } from '#common/config-error.ts';
import { replaceFile } from '#storage/atomic-file.ts';
import { directoryNamed, isStaging, KNOWN_CAS, knownCaOf } from '../../config/known-cas.ts';
import { parseConfig } from '../../config/yaml.ts';
import { readState } from '../../init/apply/file-change.ts';
import { type ProgramEnd, runToEnd } from '../../init/apply/run-to-end.ts';
import { unifiedDiff } from '../../init/plan/unified-diff.ts';
import type { StatusLine } from '../../status/status-line.ts';
import { type Command, print, printJson, printToStderr } from '../command.ts';
import type { CommandValues } from '../line/options.ts';
import { EXIT } from '../output.ts';
import { linesText } from '../report-table.ts';
import { statusFor } from '../status.ts';

const PASS_TIMEOUT_MS = 1_000_000;
const PASS_COMMAND = 'systemctl start pemfleet';

export const goLiveCommand: Command = async (values) => {
  const state = await readState(values.config);
  if (state === undefined) throw new ConfigError('ERR_CONFIG', `no configuration file at ${values.config}`);
  const before = state.body.toString();
  const after = inProduction(values, before);
  const diff = unifiedDiff(values.config, before, after);
  const problems = diff === '' ? [] : await notGreen(values);
  if (problems.length > 0) return refuse(values, problems);
  const isWritten = diff !== '' && !values['dry-run'];
  if (isWritten) await replaceFile(values.config, after, state);
  const pass = isWritten ? await startPass() : undefined;
  report(values, { diff, isWritten, pass });
  return pass?.isWell === false ? EXIT.failed : EXIT.ok;
};

/** The same text, but for the directories of the CAs that are staging. */
function inProduction({ config: file, ca }: CommandValues, text: string): string {
  const config = parseConfig(file, text);
  const document = parseDocument(text);
  const paths = [['acme'], ...config.fallback.map((_, index) => ['fallback', index])];
  const changes = paths.flatMap((path, index) => {
    const node = document.getIn([...path, 'directoryUrl'], true);
    if (!isScalar(node) || typeof node.value !== 'string' || !node.range) return [];
    const wanted = ca !== undefined && index === 0 ? ca : productionOf(node.value);
    if (wanted === undefined || directoryNamed(wanted) === directoryNamed(node.value)) return [];
    return [{ start: node.range[0], end: node.range[1], wanted }];
  });
  const after = changes.reduceRight(
    (whole, { start, end, wanted }) => whole.slice(0, start) + wanted + whole.slice(end),
    text,
  );
  parseConfig(file, after);
  return after;
}

/** @returns undefined: it is no staging environment that pemfleet knows */
function productionOf(current: string): string | undefined {
  const url = directoryNamed(current);
  if (!URL.canParse(url) || !isStaging(url)) return undefined;
  const name = knownCaOf(url)?.name.replace(' (staging)', '');
  const production = KNOWN_CAS.find((one) => one.name === name);
  return production?.word ?? production?.directoryUrl;
}

/** What `pemfleet status` calls wrong, or cannot tell; a fleet without a host proves nothing. */
async function notGreen(values: CommandValues): Promise<readonly StatusLine[]> {
  const { lines } = await statusFor(values);
  return lines.filter(({ level, code }) => level !== 'note' || code === 'no-host');
}

function refuse(values: CommandValues, problems: readonly StatusLine[]): number {
  const why =
    'go-live wants a green "pemfleet status" with staging\'s certificates first; nothing was changed';
  if (values.json) printJson({ version: 1, result: 'refused', problems });
  else print(linesText(problems));
  printToStderr(`${why}\n`);
  return EXIT.failed;
}

/** Where the unit is there; its user and its limits are those of every pass. */
async function startPass(): Promise<ProgramEnd | undefined> {
  if (!existsSync('/run/systemd/system') || process.getuid?.() !== 0) return undefined;
  const unit = await runToEnd(['systemctl', 'cat', 'pemfleet.service'], { timeoutMs: 10_000 });
  if (!unit.isWell) return undefined;
  return runToEnd(PASS_COMMAND.split(' '), { timeoutMs: PASS_TIMEOUT_MS });
}

interface Change {
  diff: string;
  isWritten: boolean;
  pass: ProgramEnd | undefined;
}

function report(values: CommandValues, { diff, isWritten, pass }: Change): void {
  const result = diff === '' ? 'unchanged' : isWritten ? 'changed' : 'planned';
  const passResult = pass === undefined ? 'not started' : pass.isWell ? 'done' : 'failed';
  if (values.json) {
    printJson({ version: 1, result, diff, pass: passResult });
    return;
  }
  if (diff === '') {
    print(`${values.config} names no staging CA: nothing to change\n`);
    return;
  }
  print(diff);
  if (!isWritten) return;
  if (pass?.isWell === false) printToStderr(`the pass failed: journalctl -u pemfleet; ${pass.output}\n`);
  else print(pass === undefined ? BY_HAND : DONE);
}

const BY_HAND = `next:\n  sudo ${PASS_COMMAND}    (or wait for the timer)\n`;
const DONE = 'a pass has ordered from production; hosts follow within a minute: pemfleet status\n';
