/** `npm run campaign -- --operations N --seed S [--haproxy VERSION] [--profile keys]`: says each operation; exits 1, with seed and story, if a name got no valid certificate. */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { haproxyVersions } from '../../support/parts/haproxy.ts';
import { runCampaign } from '../../support/proof/campaign/campaign.ts';
import { PROFILES, type ProfileName } from '../../support/proof/campaign/operations.ts';

const { values } = parseArgs({
  options: {
    operations: { type: 'string', default: '200' },
    seed: { type: 'string', default: String(randomInt(1_000_000)) },
    haproxy: { type: 'string', default: '3.2' },
    profile: { type: 'string', default: 'all' },
  },
});
const version = haproxyVersions.find((one) => one === values.haproxy);
const profile = (Object.keys(PROFILES) as ProfileName[]).find((one) => one === values.profile);
const [operations, seed] = [Number(values.operations), Number(values.seed)];
if (version === undefined || profile === undefined || !(operations > 0) || !Number.isInteger(seed)) {
  const profiles = Object.keys(PROFILES).join('|');
  process.stderr.write(
    `wanted --operations N --seed S --haproxy ${haproxyVersions.join('|')} --profile ${profiles}\n`,
  );
  process.exit(64);
}
const begin = Date.now();
const say = (text: string) => {
  process.stdout.write(`${((Date.now() - begin) / 1000).toFixed(1).padStart(7)} s  ${text}\n`);
};
say(`seed ${seed}, ${operations} operations, HAProxy ${version}`);
try {
  const { handshakes } = await runCampaign({ version, seed, operations, profile, onOperation: say });
  say(
    `seed ${seed}: ${operations} operations, ${handshakes} handshakes, all answered by valid certificates; all agree`,
  );
} catch (error) {
  say(String((error as Error).message));
  process.exitCode = 1;
}
