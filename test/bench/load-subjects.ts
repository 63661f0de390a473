// Who brings certificates into a running HAProxy, each in the way that it is used.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NOTHING_DEPLOYED } from '../../agent/deploy/action.ts';
import { proveServed, readBack } from '../../agent/deploy/handshake.ts';
import { Loader } from '../../agent/deploy/load.ts';
import { capabilitiesOf } from '../../agent/haproxy/capabilities.ts';
import { Runtime } from '../../agent/haproxy/runtime.ts';
import { openSocket } from '../../agent/haproxy/socket.ts';
import { wantedChainOf } from '../../agent/proof/wanted-chain.ts';
import { type Cost, cpuMsOf, forget, type Leaf, type LoadStage, parentOf } from './load-stage.ts';
import { measure } from './measure.ts';
import { fetchPeer } from './peers.mjs';

export type Kind = 'update' | 'addition';

export interface LoadSubject {
  name: string;
  /** Seconds each: fewer of them. */
  isSlow?: boolean;
  /** What it costs to bring these; leaves the stage with what it began with. */
  bring(stage: LoadStage, leaves: readonly Leaf[], kind: Kind): Promise<Cost>;
}

/** The limit: HAProxy's own time and one connection a command, with as little around it as can be. */
const bareLoop: LoadSubject = {
  name: 'bare loop',
  bring: async (stage, leaves, kind) => {
    const { command, certsDir } = stage.haproxy;
    const cost = await stage.measure(async () => {
      for (const { path, combined } of leaves) {
        if (kind === 'addition') await command(`new ssl cert ${path}`);
        await command(`set ssl cert ${path} <<\n${combined}`);
        expectSuccess(await command(`commit ssl cert ${path}`));
        if (kind === 'addition') expectSuccess(await command(`add ssl crt-list ${certsDir} ${path}`));
      }
    });
    if (kind === 'addition') await forget(stage, leaves);
    return cost;
  },
};

/**
 * The agent's own stages at the Runtime API: no file, no check of the PEM.
 * @param addresses on which a handshake proves each, one after the other
 */
const atRuntimeApi = (name: string, addresses: (stage: LoadStage) => readonly string[]): LoadSubject => ({
  name,
  bring: async (stage, leaves, kind) => {
    const socket = openSocket({ path: stage.haproxy.socket, timeoutMs: 8000 });
    const runtime = new Runtime(socket, (ms) => new Promise((resolve) => setTimeout(resolve, ms)));
    const loader = new Loader(runtime, capabilitiesOf(stage.version, 16_384));
    const crtList = stage.haproxy.certsDir;
    const used = { status: 'Used', serial: '', notAfter: undefined };
    const cost = await stage.measure(async () => {
      for (const { path, combined, parsed } of leaves) {
        const isThere = kind === 'update';
        const certificate = isThere
          ? { ...used, filename: path, sha1Fingerprint: undefined, chainLength: undefined }
          : undefined;
        const place = { filename: path, crtList, isListed: isThere, certificate };
        const { shown } = await loader.load(place, { text: combined, staple: undefined }, NOTHING_DEPLOYED);
        const wanted = wantedChainOf(parsed);
        readBack(place, shown, wanted);
        await proveServed(addresses(stage), { keyType: 'ec256', identifiers: [], isPair: false }, wanted);
      }
    });
    if (kind === 'addition') await forget(stage, leaves);
    return cost;
  },
});

/** The executable from its start to its end, less a run that has nothing to do. */
const wholeSync = (name: string, flagsOf: (stage: LoadStage) => readonly string[]): LoadSubject => ({
  name,
  bring: async (stage, leaves, kind) => {
    const command = [stage.program, 'sync', ...stage.flags, ...flagsOf(stage)];
    // It ends with 0 where all are served.
    const run = async () => {
      const { status, stderr } = await measure(command, { cwd: stage.dir });
      if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr}`);
    };
    // Others have changed what HAProxy holds: the first run sets it right.
    await run();
    const idle = await stage.measure(run);
    await stage.publish(leaves);
    const busy = await stage.measure(run);
    if (kind === 'addition') await stage.unpublish(leaves).then(run);
    return { seconds: busy.seconds - idle.seconds, cpuMs: busy.cpuMs - idle.cpuMs };
  },
});

const hookLoop = fileURLToPath(new URL('acme-hook.sh', import.meta.url));

/** acme.sh's deploy hook as it stands, in one shell for all of them; it says itself how long it took. */
const acmeHook: LoadSubject = {
  name: "acme.sh's hook",
  isSlow: true,
  bring: async (stage, leaves, kind) => {
    const [acme, socat] = await Promise.all(['acme.sh', 'socat'].map(directoryOf));
    const dir = join(stage.dir, 'acme');
    for (const { name, leafPem, chainPem, keyPem } of leaves) {
      mkdirSync(join(dir, name), { recursive: true });
      const parts = { cert: leafPem, ca: chainPem.join(''), key: keyPem };
      for (const [part, text] of Object.entries(parts)) writeFileSync(join(dir, name, part), text);
    }
    const env = {
      PATH: `${socat}:${process.env['PATH']}`,
      ...{ ACME_HOME: join(acme ?? '', '../root/usr/share/acme.sh'), LE_WORKING_DIR: dir },
      ...{ DEPLOY_HAPROXY_HOT_UPDATE: 'yes', DEPLOY_HAPROXY_PEM_PATH: stage.haproxy.certsDir },
      DEPLOY_HAPROXY_STATS_SOCKET: `UNIX:${stage.haproxy.socket}`,
    };
    let seconds = 0;
    const { cpuMs } = await stage.measure(async () => {
      const run = await measure(['sh', hookLoop, ...leaves.map(({ name }) => name)], { env, cwd: dir });
      if (run.status !== 0) throw new Error(`acme.sh's hook: ${run.stdout}${run.stderr}`);
      seconds = Number(run.stdout.trim().split('\n').at(-1)) / 1e9;
    });
    rmSync(dir, { recursive: true });
    // It has written files: an agent is to find them as it wants them.
    await (kind === 'addition' ? forget(stage, leaves) : stage.publish(leaves));
    return { seconds, cpuMs };
  },
};

const directoryOf = async (peer: string) =>
  dirname((await fetchPeer(peer, () => undefined)).command[0] ?? '');

/** Files first, then one reload for all of them: its cost does not depend on how many they are. */
export const reload: LoadSubject = {
  name: 'reload',
  bring: async ({ haproxy }, leaves) => {
    for (const { path, combined } of leaves) writeFileSync(path, combined);
    const master = parentOf(await haproxy.pid());
    const before = cpuMsOf(master);
    const begun = performance.now();
    await haproxy.reload();
    const seconds = (performance.now() - begun) / 1000;
    // Up to 3.0 the master reads the certificates, later the new worker itself.
    return { seconds, cpuMs: cpuMsOf(master) - before + cpuMsOf(await haproxy.pid()) };
  },
};

const httpsOf = ({ haproxy }: LoadStage) => `127.0.0.1:${haproxy.httpsPort}`;

function expectSuccess(answer: string): void {
  if (!/^Success!$/m.test(answer)) throw new Error(`HAProxy answers ${answer.trim()}`);
}

export const loadSubjects: readonly LoadSubject[] = [
  bareLoop,
  atRuntimeApi('pemfleet: set, commit, read-back', () => []),
  atRuntimeApi('pemfleet: set, commit, read-back, handshake', (stage) => [httpsOf(stage)]),
  wholeSync('pemfleet sync', () => []),
  wholeSync('pemfleet sync with handshakes', (stage) => ['--handshake', httpsOf(stage)]),
  acmeHook,
];
