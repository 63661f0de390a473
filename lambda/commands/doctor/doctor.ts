/**
 * STORYBOARD of `pemfleet doctor`: everything that the issuer needs, each fault with its fix. As root it first mends what it can (`--fix`) and
 * looks at files of all users, then goes on as the owner of the bucket, whose rights count. It orders nothing; it writes a probe into the
 * bucket, and a token where HTTP-01 is used, and removes both.
 */

import { fileURLToPath } from 'node:url';
import { ConfigError } from '#common/config-error.ts';
import { exitStatusOfDoctor, findingsDocument, findingsText } from '#common/doctor/findings.ts';
import { applyMends } from '#common/doctor/mend.ts';
import { readSettingsText } from '#common/settings/read-text.ts';
import { type RunHostCommand, runHostCommand } from '#common/systemd/host-command.ts';
import { accountNamed } from '#common/user/accounts.ts';
import { rightOwner } from '#common/user/right-user.ts';
import { WrongUser } from '#common/user/wrong-user.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import { openBucket } from '#storage/open.ts';
import { type Config, usedChallenges } from '../../config/config.ts';
import { parseConfig } from '../../config/yaml.ts';
import { machineIdentity } from '../../identity/identity.ts';
import { loadConfigFile } from '../../wiring.ts';
import { type Command, loadConfigAndBucket, now, print, printJson, printToStderr } from '../command.ts';
import { checkAll } from '../dns/check.ts';
import { awsDoctorCommand } from '../fleet/doctor-aws.ts';
import { type CommandValues, UsageError } from '../line/options.ts';
import {
  checkBucket,
  checkClock,
  checkIssuing,
  checkResponderUnit,
  missingBucket,
  ofPreflight,
} from './checks.ts';
import {
  deniedSecrets,
  type IssuerMend,
  mendBucket,
  mendIssuerPlaces,
  mendSecrets,
  mendSettings,
} from './files.ts';
import { type IssuerFinding, issuerFinding } from './finding.ts';
import { type IssuerUnits, judgeUnits, mendUnits, readUnits } from './units.ts';

export const doctorCommand: Command = async (values, operands) => {
  if (values.aws) return awsDoctorCommand(values, operands);
  if (values['dry-run'] && !values.fix)
    throw new UsageError('--dry-run goes with --fix: without it, doctor changes nothing');
  const findings = await examine(values);
  if (values.json) printJson(findingsDocument(findings));
  else print(findingsText(findings));
  return exitStatusOfDoctor(findings);
};

async function examine(values: CommandValues): Promise<IssuerFinding[]> {
  const loaded = await loadConfigFile(values.config, parseConfig, readSettingsText).catch(
    (error: unknown) => {
      if (error instanceof ConfigError) return error;
      throw error;
    },
  );
  // Nothing else can be checked without one.
  if (loaded instanceof ConfigError) {
    const fix = `correct ${values.config}; docs/config.md lists all settings`;
    return [issuerFinding('config-refused', messageOf(loaded), fix)];
  }
  const config = { ...loaded, bucket: process.env['PEMFLEET_BUCKET'] ?? loaded.bucket };
  const units = await readUnits(runHostCommand);
  if (values.fix) await mend(values, config, units);
  const after = values.fix ? await readUnits(runHostCommand) : units;
  const mends = await findMends(values, config, after);
  const mendable = mends.flatMap(({ finding }) => (finding === undefined ? [] : [finding]));
  const responder = await checkResponderUnit(after.responder, values.fix ? STARTING_MS : 0);
  const asOwner = await examineAsOwner(values, config, runHostCommand);
  // What the user of the unit cannot read is said once, with what opens it.
  const isClosed = mendable.some(({ id }) => id === 'config-denied');
  const rest = asOwner.filter(({ id }) => !(isClosed && id === 'config-refused'));
  return [...mendable, ...judgeUnits(after), ...responder, ...rest];
}

/** How long a unit that was started just now takes to listen. */
const STARTING_MS = 5000;

async function mend(values: CommandValues, config: Config, units: IssuerUnits): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new WrongUser(
      'doctor --fix changes owners and units, which root alone may: sudo pemfleet doctor --fix',
    );
  }
  const mending = { isDryRun: values['dry-run'], say: printToStderr, runCommand: runHostCommand };
  await applyMends(await findMends(values, config, units), mending);
}

async function findMends(values: CommandValues, config: Config, units: IssuerUnits): Promise<IssuerMend[]> {
  const directory = directoryOf(config);
  const { LoadState, User } = units.issuer;
  const unitUser = LoadState === 'loaded' ? User : undefined;
  const owner = directory === undefined ? undefined : await rightOwner(directory, unitUser);
  const ofBucket = directory !== undefined && owner !== undefined ? await mendBucket(directory, owner) : [];
  const usesResponder = usedChallenges(config).has('http-01');
  const user = owner ?? (unitUser ? accountNamed(unitUser) : undefined);
  const ofSettings = LoadState === 'loaded' ? await mendSettings(UNIT_CONFIG, user) : [];
  const ofPlaces = await mendIssuerPlaces(config, values.config, directory);
  const ofSecrets = await mendSecrets(config, owner);
  const ofFiles = [...ofSettings, ...ofBucket, ...ofPlaces, ...ofSecrets];
  return [...ofFiles, ...mendUnits(units, config, usesResponder)];
}

/** The units name no other. */
const UNIT_CONFIG = '/etc/pemfleet/pemfleet.yaml';

const directoryOf = ({ bucket }: Config) => (bucket.startsWith('file:') ? fileURLToPath(bucket) : undefined);

/** From here on as the user whose passes these are. */
async function examineAsOwner(
  values: CommandValues,
  config: Config,
  runCommand: RunHostCommand,
): Promise<IssuerFinding[]> {
  try {
    const { bucket: reader } = await loadConfigAndBucket(values, 'read');
    const rest = [...(await checkClock(runCommand)), ...(await deniedSecrets(config))];
    const missing = await missingBucket(directoryOf(config));
    if (missing !== undefined) return [missing, ...rest];
    const identity = await machineIdentity(values.config, process.env);
    const ofBucket = await checkBucket(await openBucket(config.bucket, 'write'), now);
    // A bucket that fails would be every other finding.
    if (ofBucket.some(({ id }) => id === 'bucket-failed')) return [...ofBucket, ...rest];
    const ofIssuer = await checkIssuing(reader, config, identity, now());
    return [...ofBucket, ...ofIssuer, ...rest, ...(await preflightOf(values))];
  } catch (error) {
    if (error instanceof ConfigError || error instanceof WrongUser || error instanceof UsageError)
      throw error;
    const fix = 'docs/errors.md has the code';
    return [issuerFinding('bucket-failed', `${codeOf(error)} ${messageOf(error)}`, fix)];
  }
}

/** A file that cannot be read is found by itself. */
async function preflightOf(values: CommandValues): Promise<IssuerFinding[]> {
  try {
    return ofPreflight(await checkAll(values));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [
      issuerFinding('config-refused', messageOf(error), 'correct it; docs/config.md lists all settings'),
    ];
  }
}
