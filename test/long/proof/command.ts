/** `npm run campaign -- --operations N --seed S [--haproxy VERSION]`: says each operation; exits 1, with seed and story, if a name got no valid certificate. */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { haproxyVersions } from '../../support/parts/haproxy.ts';
import { runCampaign } from '../../support/proof/campaign/campaign.ts';

const { values } = parseArgs({
  options: {
    operations: { type: 'string', default: '200' },
    seed: { type: 'string', default: String(randomInt(1_000_000)) },
    haproxy: { type: 'string', default: '3.2' },
  },
});
const version = haproxyVersions.find((one) => one === values.haproxy);
const [operations, seed] = [Number(values.operations), Number(values.seed)];
if (version === undefined || !(operations > 0) || !Number.isInteger(seed)) {
  process.stderr.write(`wanted --operations N --seed S --haproxy ${haproxyVersions.join('|')}\n`);
  process.exit(64);
}
const begin = Date.now();
const say = (text: string) => {
  process.stdout.write(`${((Date.now() - begin) / 1000).toFixed(1).padStart(7)} s  ${text}\n`);
};
say(`seed ${seed}, ${operations} operations, HAProxy ${version}`);
try {
  const { handshakes } = await runCampaign({ version, seed, operations, onOperation: say });
  say(
    `seed ${seed}: ${operations} operations, ${handshakes} handshakes, all answered by valid certificates; all agree`,
  );
} catch (error) {
  say(String((error as Error).message));
  process.exitCode = 1;
}
