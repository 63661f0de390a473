/** `pemfleet init --undo`. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { quoted } from '#common/cli/quoted.ts';
import { printable } from '#common/printable.ts';
import { runHostCommand } from '#common/systemd/host-command.ts';
import { messageOf } from '#contract/errors.ts';
import { type LostNames, namesLostWith } from '../../init/apply/lost-names.ts';
import { type RecordedRun, readRecord, recordDirectory } from '../../init/apply/record.ts';
import { reloadWayOf } from '../../init/apply/reload.ts';
import { TARGET } from '../../init/apply/target.ts';
import {
  type Entangled,
  planUndo,
  type UndoPlan,
  type UndoResult,
  undoLastRun,
} from '../../init/apply/undo.ts';
import { findInstallation } from '../../init/host/installation.ts';
import { Unplannable } from '../../init/plan/haproxy-config.ts';
import { readAgentPlaces } from '../../init/setup.ts';
import { now, print, printJson, printResult, printToStderr } from '../command.ts';
import type { CommandValues } from '../line/options.ts';
import { EXIT } from '../output.ts';
import { askYes, isTerminal } from './ask.ts';
import { refuseWithoutRights } from './rights.ts';

const MAX_NAMES = 20;

export async function undoInit(values: CommandValues): Promise<number> {
  if (!values['dry-run']) refuseWithoutRights('init', values.config);
  const directory = recordDirectory(values.config);
  if ((await readRecord(directory)).runs.at(-1)?.by === 'adopt') {
    throw new Unplannable('the last run on record is one of adopt: pemfleet adopt --undo takes it back');
  }
  const find = (run: RecordedRun) => findHaproxyOf(values, run);
  const plan = await planUndo(directory);
  if (plan.result === 'changed') return refuse(values, plan);
  const lost = plan.result === 'planned' ? await lostNames(plan, find) : NOTHING_LOST;
  if (!values.json) print(lostText(lost));
  if (plan.result === 'planned' && !(await isMeant(values, plan))) {
    print('nothing was changed\n');
    return EXIT.ok;
  }
  const places = await keyPlaces(values.config);
  const result = await undoLastRun({ directory, dryRun: values['dry-run'], find });
  if (result.result === 'changed') return refuse(values, result);
  const { runs } = await readRecord(directory);
  if (values.json) printResult(values, { at: now().toISOString(), ...result, ends: lost });
  else print(undoText(result, { dryRun: values['dry-run'], config: values.config, earlier: runs.at(-1) }));
  if (result.result !== 'undone' || values['dry-run'] || existsSync(values.config)) return EXIT.ok;
  await tellWhatIsLeft(values, places);
  return EXIT.ok;
}

function findHaproxyOf(values: CommandValues, { haproxyConfig }: RecordedRun) {
  const configFile = values['haproxy-config'] ?? haproxyConfig;
  const installation = findInstallation({ configFile, env: process.env, uid: process.getuid?.() ?? 0 });
  return { installation, way: reloadWayOf(installation.process) };
}

const NOTHING_LOST: LostNames = { names: [], addresses: [] };

async function lostNames(
  { run, haproxy }: UndoPlan,
  find: (run: RecordedRun) => ReturnType<typeof findHaproxyOf>,
): Promise<LostNames> {
  return haproxy.length === 0 ? NOTHING_LOST : namesLostWith(haproxy, find(run).installation, now());
}

function lostText({ names, addresses }: LostNames): string {
  if (names.length === 0) return '';
  const more = names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : '';
  const ports =
    addresses.length === 0 ? '' : ` (nothing of HAProxy serves TLS on ${addresses.join(', ')} any more)`;
  const list = `${names.slice(0, MAX_NAMES).join(', ')}${more}`;
  return `${printable(`HTTPS ends for what HAProxy serves only by lines of init: ${list}${ports}`)}\n`;
}

async function isMeant({ yes, json, 'dry-run': dryRun }: CommandValues, { run }: UndoPlan): Promise<boolean> {
  if (yes || json || dryRun || !isTerminal()) return true;
  return askYes(`Take the run of init of ${run.at} back?`, false);
}

function refuse(values: CommandValues, result: Entangled): number {
  if (values.json) printJson({ version: 1, at: now().toISOString(), ...result });
  else print(result.diff);
  const line = [...result.commands, undoWords(values.config)].map((words) => words.map(quoted).join(' '));
  const why = `init --undo takes out lines that stand as init wrote them, and in ${result.files.join(', ')} they do not: nothing was changed. This keeps your file beside pemfleet.yaml, and undoes: ${line.join(' && ')}`;
  printToStderr(`${printable(why)}\n`);
  return EXIT.failed;
}

const undoWords = (config: string, command = 'init') => [
  ...['pemfleet', command, '--undo'],
  ...(config === '/etc/pemfleet/pemfleet.yaml' ? [] : ['--config', config]),
];

interface KeyPlaces {
  directories: readonly string[];
  /** In which other hosts may have a share. */
  store: string | undefined;
}

/** Read before the settings go that name them; settings that cannot be read stop no undo. */
async function keyPlaces(configFile: string): Promise<KeyPlaces> {
  const file = join(dirname(configFile), 'agent.yaml');
  try {
    const { certsDir = [], bucket } = (await readAgentPlaces(file)) ?? {};
    const isDirectory = bucket?.startsWith('file:') ?? false;
    const own = bucket !== undefined && isDirectory ? [fileURLToPath(bucket)] : [];
    return { directories: [certsDir, own].flat(), store: isDirectory ? undefined : bucket };
  } catch (error) {
    printToStderr(`${printable(`where private keys stay is not known: ${file}: ${messageOf(error)}`)}\n`);
    return { directories: [], store: undefined };
  }
}

async function tellWhatIsLeft({ json }: CommandValues, { directories, store }: KeyPlaces): Promise<void> {
  await warnOfUnits();
  const left = directories.filter((path) => existsSync(path));
  if (json || left.length + (store === undefined ? 0 : 1) === 0) return;
  const places = [...left, ...(store === undefined ? [] : [`${store} (of all its hosts)`])].join(', ');
  const command = left.length === 0 ? '' : `; when nobody needs them: rm -r ${left.map(quoted).join(' ')}`;
  print(`${printable(`private keys stay in ${places}${command}`)}\n`);
}

/** Units that are left would fail twice an hour, and alarm. */
async function warnOfUnits(): Promise<void> {
  const states = await Promise.all(
    ['is-enabled', 'is-active'].map((verb) => runHostCommand('systemctl', [verb, TARGET])),
  );
  const isOn = states.some(({ isInstalled, stdout }) => isInstalled && /^(enabled|active)$/m.test(stdout));
  if (isOn) {
    printToStderr(`${TARGET} is still on, without a configuration: systemctl disable --now ${TARGET}\n`);
  }
}

interface UndoView {
  dryRun: boolean;
  config: string;
  /** That is on record still. */
  earlier: RecordedRun | undefined;
}

function undoText(result: UndoResult, { dryRun, config, earlier }: UndoView): string {
  if (result.result === 'nothing') return 'nothing to undo: no run of init is on record\n';
  if (result.result === 'changed') return result.diff;
  const would = dryRun ? 'would ' : '';
  const mended = result.edited.filter(({ kept }) => kept === undefined).map(({ path }) => path);
  const lines = [
    ...result.files
      .filter((path) => !mended.includes(path))
      .map((path) =>
        result.removed.includes(path)
          ? `${would}${dryRun ? 'remove' : 'removed'} ${path}`
          : `${would}put back ${path}`,
      ),
    ...result.edited.map(({ path, kept }) =>
      kept === undefined
        ? `${path} was changed since: ${would}${dryRun ? 'take' : 'took'} init's lines out of it, the change stays`
        : `${path} was changed since: it ${dryRun ? 'would be' : 'is'} kept as ${kept}`,
    ),
    ...result.keptDirectories.map((path) => `${path} stays: it holds files`),
    ...(result.reloaded ? ['HAProxy was reloaded once'] : []),
    ...(earlier === undefined || dryRun ? [] : [earlierText(earlier, config)]),
  ];
  return lines.map((line) => `${printable(line)}\n`).join('');
}

function earlierText({ at, by }: RecordedRun, config: string): string {
  const command = by ?? 'init';
  const line = undoWords(config, command).map(quoted).join(' ');
  return `a run of ${command} of ${at} is on record still; to take it back, too: ${line}`;
}
