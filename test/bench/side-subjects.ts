// What each client's own documentation says to type for a HAProxy host, HTTP-01 through HAProxy.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { responderLines } from '../../lambda/challenge/haproxy-lines.ts';
import { canConnect } from '../support/ports.ts';
import { startPart } from '../support/process.ts';
import { fetchPeer } from './peers.mjs';
import { NAME, type SideHost, type SideSubject } from './side-host.ts';

const program = (name: string) => fileURLToPath(new URL(`../../dist/${name}/index.mjs`, import.meta.url));
const CLI = `'${process.execPath}' '${program('cli')}'`;
const IS_CHALLENGE =
  '    acl is_challenge path_beg /.well-known/acme-challenge/\n    use_backend acme if is_challenge';

/** Two files and the units' programs; of the three commands of README.md, `init` writes the files, fits the lines, and reloads. */
const pemfleet: SideSubject = {
  name: 'pemfleet',
  open: async () => ({
    version: 'this checkout',
    first: async (host) => {
      const { dir, haproxy, ca, port } = host;
      const bucket = `file://${join(dir, 'bucket')}`;
      const acme = { directoryUrl: ca.directoryUrl, caFile: ca.caFile, termsOfServiceAgreed: true };
      const [config, agentConfig] = [join(dir, 'pemfleet.yaml'), join(dir, 'agent.yaml')];
      writeFileSync(config, stringify({ bucket, acme, certificates: [{ identifiers: [NAME] }] }));
      const settings = {
        ...{ statsSocket: haproxy.socket, certsDir: haproxy.certsDir },
        handshake: [`127.0.0.1:${haproxy.httpsPort}`],
      };
      const stateDir = join(dir, 'state');
      writeFileSync(agentConfig, stringify({ bucket, fleet: 'default', stateDir, haproxy: settings }));
      host.counts.commands += 2;
      const { frontend, sections } = responderLines(`127.0.0.1:${port}`);
      await host.configure(frontend, sections);
      await keepRunning(host, ['cli', 'respond', '--config', config, '--listen', `127.0.0.1:${port}`], () =>
        canConnect(`127.0.0.1:${port}`),
      );
      await keepRunning(host, ['agent', 'run', '--config', agentConfig], async () => true);
      await host.type(`${CLI} run --config ${config}`);
    },
    renew: async (host) => {
      await host.type(`${CLI} renew ${NAME} --config ${join(host.dir, 'pemfleet.yaml')}`);
    },
  }),
};

async function keepRunning(host: SideHost, [name = '', ...args]: string[], probe: () => Promise<boolean>) {
  host.counts.commands += 1;
  host.keep(await startPart({ name, command: process.execPath, args: [program(name), ...args], probe }));
}

/** Its own documentation has no HAProxy; this is what people write: standalone behind HAProxy, a hook that joins the files and reloads. */
const certbot: SideSubject = {
  name: 'certbot + hook',
  open: async (say) => {
    const { command, version } = await fetchPeer('certbot', say);
    const words = ({ dir }: SideHost) =>
      `${command[0]} --config-dir ${dir}/c --work-dir ${dir}/w --logs-dir ${dir}/l -n`;
    return {
      version,
      first: async (host) => {
        const { dir, haproxy, ca, port } = host;
        await host.configure(IS_CHALLENGE, `backend acme\n    server certbot 127.0.0.1:${port}\n`);
        const hook = join(dir, 'hook.sh');
        const joined = `${haproxy.certsDir}/${NAME}.pem`;
        const lines = [
          'umask 077',
          `cat "$RENEWED_LINEAGE/fullchain.pem" "$RENEWED_LINEAGE/privkey.pem" > ${joined}`,
          `echo reload | socat - ${haproxy.masterSocket}`,
        ];
        writeFileSync(hook, `#!/bin/sh\nset -e\n${lines.join('\n')}\n`, { mode: 0o755 });
        host.counts.commands += 1;
        host.counts.reloads += 1;
        await host.type(
          `${words(host)} certonly --standalone --http-01-port ${port} --server ${ca.directoryUrl} --agree-tos -m ops@example.com -d ${NAME} --deploy-hook ${hook}`,
          { REQUESTS_CA_BUNDLE: ca.caFile, ...(await socatPath(host, say)) },
        );
      },
      renew: async (host) => {
        host.counts.reloads += 1;
        await host.type(`${words(host)} renew --force-renewal --no-random-sleep-on-renew`, {
          ...{ REQUESTS_CA_BUNDLE: host.ca.caFile },
          ...(await socatPath(host, say)),
        });
      },
    };
  },
};

/** Its stateless mode, and its hook with hot update, as its wiki has them for HAProxy. */
const acmeSh: SideSubject = {
  name: 'acme.sh + hook',
  open: async (say) => {
    const { command, version } = await fetchPeer('acme.sh', say);
    const words = ({ dir, ca }: SideHost) => `${command[0]} --home ${dir}/acme --ca-bundle ${ca.caFile}`;
    const deploy = async (host: SideHost, line: string) => {
      const { haproxy } = host;
      const hook = {
        ...{ DEPLOY_HAPROXY_HOT_UPDATE: 'yes', DEPLOY_HAPROXY_PEM_PATH: haproxy.certsDir },
        DEPLOY_HAPROXY_STATS_SOCKET: `UNIX:${haproxy.socket}`,
      };
      await host.type(line, { ...hook, ...(await socatPath(host, say)) });
    };
    return {
      version,
      first: async (host) => {
        mkdirSync(join(host.dir, 'acme'));
        const server = `--server ${host.ca.directoryUrl}`;
        const registered = await host.type(`${words(host)} --register-account ${server} -m ops@example.com`);
        const [, thumbprint] = /ACCOUNT_THUMBPRINT='([\w-]+)'/.exec(registered) ?? [];
        if (thumbprint === undefined) throw new Error(`no thumbprint in: ${registered}`);
        await host.configure(
          `    http-request return status 200 content-type text/plain lf-string "%[path,field(-1,/)].${thumbprint}\\n" if { path_beg /.well-known/acme-challenge/ }`,
        );
        await host.type(`${words(host)} --issue --stateless ${server} -d ${NAME}`);
        await deploy(host, `${words(host)} --deploy --deploy-hook haproxy -d ${NAME}`);
      },
      renew: async (host) => {
        await deploy(host, `${words(host)} --renew --force -d ${NAME}`);
      },
    };
  },
};

/** Both hooks talk to HAProxy through socat. */
async function socatPath({ dir }: SideHost, say: (line: string) => void): Promise<Record<string, string>> {
  const { command } = await fetchPeer('socat', say);
  const bin = join(dir, 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, 'socat'), `#!/bin/sh\nexec ${command[0]} "$@"\n`, { mode: 0o755 });
  return { PATH: `${bin}:${process.env['PATH']}` };
}

export const sideSubjects: readonly SideSubject[] = [pemfleet, certbot, acmeSh];
