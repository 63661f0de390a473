/** `pemfleet init`: finds HAProxy, writes pemfleet.yaml and agent.yaml, and fits the lines that HAProxy lacks into its configuration. */
import { existsSync } from 'node:fs';
import { parseConfig } from '../../config/yaml.ts';
import { aloneAtSetup } from '../../init/apply/alone.ts';
import { readState } from '../../init/apply/file-change.ts';
import { finishRuns, hasUnfinished } from '../../init/apply/finish.ts';
import { HalfDone, putRun, type RunResult, TakenBack } from '../../init/apply/put.ts';
import { type InitRecord, isOwnFile, readRecord, recordDirectory } from '../../init/apply/record.ts';
import { type ReloadWay, reloadWayOf } from '../../init/apply/reload.ts';
import { startCommandOf } from '../../init/apply/target.ts';
import { type Discovery, discover } from '../../init/discovery.ts';
import { dropInChanges } from '../../init/drop-ins.ts';
import { configurationOf, Unplannable } from '../../init/plan/haproxy-config.ts';
import { bindsOf, isFront } from '../../init/plan/sections.ts';
import { handshakeAddressesOf } from '../../init/plan/tls-binds.ts';
import { planSetup, type Setup } from '../../init/setup.ts';
import { type Command, now, print, printJson, printToStderr } from '../command.ts';
import { type CommandValues, UsageError } from '../line/options.ts';
import { EXIT } from '../output.ts';
import { collectAnswers, hasAnswers } from './answers.ts';
import { askYes, isTerminal } from './ask.ts';
import { refuseWithoutRights, reportFailed, serviceUser, withCommandLine } from './rights.ts';
import { discoveryText, setupText } from './text.ts';
import { undoInit } from './undo.ts';

export const initCommand: Command = async (values) => {
  try {
    // Before the lock, which needs the rights, too: who lacks them hears the command line that has them.
    if (!values['dry-run']) refuseWithoutRights('init', values.config);
    return await aloneAtSetup(values, () => (values.undo ? undoInit(values) : init(values)));
  } catch (error) {
    if (!(error instanceof Unplannable || error instanceof TakenBack || error instanceof HalfDone))
      throw withCommandLine('init', error);
    return reportFailed(values, error);
  }
};

async function init(values: CommandValues): Promise<number> {
  const uid = process.getuid?.() ?? 0;
  const configFile = values.config;
  // A dry run makes all checks of the real one.
  refuseWithoutRights('init', configFile);
  const discovery = await discover({ configFile: values['haproxy-config'], env: process.env, uid }, now());
  if (!values.json) print(discoveryText(discovery));
  const user = serviceUser(uid);
  const record = await readRecord(recordDirectory(configFile));
  const isNew = !existsSync(configFile) || hasAnswers(values);
  // Nobody is asked for what would not be written.
  const isKept = isNew && !values.force && (await isForeign(configFile, record));
  if (isKept) await refuseMissingNames(values);
  const issuer = isNew && !isKept ? await collectAnswers(values, discovery) : undefined;
  const setup = await planSetup({
    ...{ discovery, configFile, issuer, isKept, user, record },
    force: values.force,
    isSwitch: values.switch,
  });
  const way = reloadWayOf(discovery.installation.process);
  const isOpen = setup.plan.diff !== '';
  const isApplied = !values['dry-run'] && isOpen && (await isToApply(values, setup));
  const isAsked = values.apply && (isOpen || hasUnfinished(record));
  if (isApplied || isAsked) refuseWithoutProgram(discovery);
  const isUnread = setup.plan.diff === '' && hasUnfinished(record);
  const planned = { discovery, setup, isApplied, isUnread, way };
  const result = values['dry-run'] ? undefined : await write(values, planned);
  report(values, { ...planned, result, startCommand: await startCommandOf() });
  return EXIT.ok;
}

async function isForeign(file: string, record: InitRecord): Promise<boolean> {
  const state = await readState(file);
  return state !== undefined && !isOwnFile(record, file, state);
}

/** Whoever names them wants certificates, and gets none. @throws UsageError */
async function refuseMissingNames({ name = [], config }: CommandValues): Promise<void> {
  const { certificates } = parseConfig(config, (await readState(config))?.body.toString() ?? '');
  const known = new Set(certificates.flatMap(({ identifiers }) => identifiers));
  const wanted = name.map((text) => text.split(/[\s,]+/).filter((one) => one !== ''));
  const lines = wanted
    .filter((names) => names.some((one) => !known.has(one.toLowerCase())))
    .map((names) => `"  - identifiers: [${names.join(', ')}]"`);
  if (lines.length === 0) return;
  throw new UsageError(
    `nothing was changed: ${config} stays as it is (init has not written it, or somebody has changed it since), and lacks names of --name. Write under certificates: ${lines.join(', ')}, then: pemfleet plan --check`,
  );
}

interface Planned {
  discovery: Discovery;
  setup: Setup;
  isApplied: boolean;
  /** HAProxy has all lines in its files; whether it has read them, nobody knows. */
  isUnread: boolean;
  way: ReloadWay;
}

async function isToApply({ apply, json, yes }: CommandValues, { plan }: Setup): Promise<boolean> {
  if (apply || json || yes || !isTerminal()) return apply;
  print(`\n${plan.diff}`);
  return askYes("Put these lines into HAProxy's configuration, and reload it?", false);
}

async function write(values: CommandValues, planned: Planned): Promise<RunResult> {
  const { setup, isApplied, isUnread } = planned;
  const dropIns = await dropInChanges(values.config, setup);
  const files = isApplied ? await haproxyChanges(setup) : [];
  const directories = [...setup.directories, ...dropIns.directories];
  const directory = recordDirectory(values.config);
  const haproxy = { ...haproxyOf(values, planned), files };
  const hasChanges = setup.files.length + directories.length + dropIns.files.length + files.length > 0;
  const result = hasChanges
    ? await putRun({
        ...{ directory, now: now(), dropIns: dropIns.files, directories, files: setup.files },
        haproxy: isApplied ? haproxy : undefined,
      })
    : { reloaded: false, warnings: '' };
  return isUnread && values.apply ? finishRuns(directory, await readRecord(directory), haproxy) : result;
}

function haproxyOf(values: CommandValues, { discovery, setup, way }: Planned) {
  const { installation, config, served } = discovery;
  // A bind that only proved certificates goes with a switch: nobody visits it.
  const later = tlsAddressesOf(configurationOf(textsAfter(config.texts, setup.plan), config.env));
  const addresses = tlsAddressesOf(config).filter((address) => later.includes(address));
  const names = [...new Set(served.flatMap((one) => one.names))];
  return {
    ...{ installation, way, statsSocket: setup.plan.statsSocket },
    configFile: values['haproxy-config'],
    visitors: { addresses, names, isChangeMeant: values.switch },
  };
}

const tlsAddressesOf = ({ sections }: Discovery['config']): string[] =>
  sections
    .filter(isFront)
    .flatMap(bindsOf)
    .filter(({ isTls }) => isTls)
    .flatMap(handshakeAddressesOf);

const textsAfter = (texts: Discovery['config']['texts'], { changes }: Setup['plan']) =>
  texts.map((one) => ({ ...one, text: changes.find(({ file }) => file === one.file)?.after ?? one.text }));

async function haproxyChanges({ plan }: Setup) {
  return Promise.all(
    plan.changes.map(async ({ file, after, encoding }) => {
      const state = await readState(file);
      if (state === undefined) throw new Unplannable(`wanted ${file}, saw that it is gone meanwhile`);
      const { mode, uid, gid } = state;
      return { path: file, body: Buffer.from(after, encoding), mode, uid, gid };
    }),
  );
}

interface Reported extends Planned {
  result: RunResult | undefined;
  /** Of pemfleet's units. */
  startCommand: string;
}

function report(values: CommandValues, planned: Reported): void {
  const { discovery, setup, isApplied, result } = planned;
  const { plan, files, directories, kept, names, bucket, certsDir } = setup;
  const next = nextSteps(values, planned);
  if (values.json) {
    const { process, program, files: configFiles } = discovery.installation;
    const haproxy = { program, pid: process?.pid, unit: process?.unit, files: configFiles };
    printJson({
      ...{
        version: 1,
        result: result === undefined ? 'planned' : 'written',
        haproxy,
        names,
        bucket,
        certsDir,
      },
      ...{ statsSocket: plan.statsSocket, handshake: plan.handshake, notes: plan.notes, kept },
      files: files.map(({ path }) => path),
      directories: directories.map(({ path }) => path),
      ...{ diff: plan.diff, applied: isApplied, reloaded: result?.reloaded ?? false, next },
    });
    return;
  }
  print(setupText(setup, result !== undefined));
  print(linesState(planned));
  if (result?.warnings) printToStderr(`haproxy -c warns:\n${result.warnings}\n`);
  print(next.length === 0 ? '' : `next:\n${next.map((line) => `  ${line}\n`).join('')}`);
}

function linesState(planned: Reported): string {
  const { setup, isApplied, isUnread, way, result } = planned;
  const { plan } = setup;
  const why = way.kind === 'none' ? way.why : 'a run of init ended before its reload';
  const reload = result?.reloaded ? 'HAProxy was reloaded once, and serves what it served' : why;
  if (plan.diff === '') return `HAProxy's configuration has all lines${isUnread ? `; ${reload}` : ''}\n`;
  if (!isApplied) return `HAProxy's configuration lacks these lines:\n${plan.diff}`;
  const files = plan.changes.map(({ file }) => file).join(', ');
  return `put the lines into ${files} (haproxy -c takes them); ${reload}\n`;
}

function nextSteps(values: CommandValues, planned: Reported): string[] {
  const { setup, isApplied, isUnread, way, discovery, startCommand } = planned;
  const isOpen = setup.plan.diff !== '' && !isApplied;
  if (values['dry-run']) {
    const isDone = setup.files.length + setup.directories.length === 0 && !isOpen && !isUnread;
    if (isDone) return [];
    const lines = "HAProxy's lines";
    const more = values.apply
      ? `puts ${lines} in, and reloads it once`
      : `with --apply in its place, ${lines} go in, too`;
    return [`the same without --dry-run writes it${isOpen ? `; ${more}` : ''}`];
  }
  const isSame = values.config === '/etc/pemfleet/pemfleet.yaml';
  const config = isSame ? '' : ` --config ${values.config}`;
  const isInstalled = discovery.installation.program !== undefined;
  return [
    ...(isInstalled ? [] : ['install HAProxy: apt-get install haproxy, or dnf install haproxy']),
    ...(isOpen ? [`pemfleet init${config} --apply    put the lines in, check, reload once`] : []),
    ...(isUnread && !values.apply ? [`pemfleet init${config} --apply    check, reload once`] : []),
    ...((isApplied || isUnread) && way.kind === 'none' ? ['systemctl restart haproxy'] : []),
    ...[startCommand, `pemfleet status${config}`],
  ];
}

/** Nobody but HAProxy can say whether it takes the lines. @throws Unplannable */
function refuseWithoutProgram({ installation: { program } }: Discovery): void {
  if (program !== undefined) return;
  throw new Unplannable(
    'wanted haproxy to check the new configuration, saw no such program: install HAProxy first (apt-get install haproxy, or dnf install haproxy), then init --apply',
  );
}
