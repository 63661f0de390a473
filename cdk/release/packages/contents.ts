/** What a package puts where: the same for .deb and .rpm. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, link, mkdir, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export type ProgramName = 'pemfleet' | 'pemfleet-agent';

/** A file of a package. */
export interface PackageFile {
  /** Absolute, without the slash before it. */
  path: string;
  mode: number;
  /** Text; or an executable of this build, which gets one more name and is not copied. */
  content: string | { executable: string };
}

/** What a package holds beside what the repository has of it. */
export interface PackageInputs {
  name: ProgramName;
  /** The executable. */
  program: string;
  /** Text of the manual page. */
  manual: string;
  completions: Completions;
  /** By file name: schemas of settings, for editors. */
  schemas: Readonly<Record<string, string>>;
  notice: string;
  /** Licence of Node.js. */
  runtimeLicense: string;
}

export interface Completions {
  bash: string;
  zsh: string;
  fish: string;
}

const HOST_FOLDERS: Readonly<Record<ProgramName, string>> = {
  pemfleet: 'lambda/host',
  'pemfleet-agent': 'agent/host',
};
const UNIT = /\.(service|timer|target|path|socket)$/;
const EXAMPLE = /\.(yaml|cfg)$/;

/** Where zsh looks: that of most distributions, and Debian's for packages. */
const ZSH = ['site-functions', 'vendor-completions'] as const;

/** What tmpfiles.d cannot do everywhere: the package runs it. */
export const DIRECTORY_SCRIPTS: readonly string[] = ['certs-directory.sh', 'directories.sh'];

/** Started by units of both packages when one of them fails. A file has one package, so each package has its own. */
const ALARM = { unit: 'agent/host/pemfleet-alarm@.service', script: 'agent/host/alarm.sh' };

/** @returns the files that lie in `root` for the package `inputs.name` */
export function packageFiles(root: string, inputs: PackageInputs): PackageFile[] {
  const { name, program } = inputs;
  const host = HOST_FOLDERS[name];
  const names = readdirSync(join(root, host)).sort();
  const text = (path: string) => ownPaths(name, readFileSync(join(root, path), 'utf8'));
  const doc = `usr/share/doc/${name}`;
  const file = (path: string, content: PackageFile['content'], mode = 0o644) => ({ path, mode, content });
  const settings = (kind: 'sysusers' | 'tmpfiles') =>
    existsSync(join(root, host, `${kind}.conf`))
      ? [file(`usr/lib/${kind}.d/${name}.conf`, text(`${host}/${kind}.conf`))]
      : [];
  const units = names.filter((one) => UNIT.test(one) && one !== 'pemfleet-alarm@.service');
  const examples = names.filter((one) => EXAMPLE.test(one));
  const monitoring = readdirSync(join(root, 'docs/monitoring')).sort();
  const pages = readdirSync(join(root, 'docs')).filter((page) => page.endsWith('.md'));
  return [
    file(`usr/bin/${name}`, { executable: program }, 0o755),
    ...units.map((unit) => file(`usr/lib/systemd/system/${unit}`, text(`${host}/${unit}`))),
    file(`usr/lib/systemd/system/${name}-alarm@.service`, text(ALARM.unit)),
    file(`usr/lib/${name}/alarm.sh`, text(ALARM.script), 0o755),
    ...names
      .filter((one) => DIRECTORY_SCRIPTS.includes(one))
      .map((one) => file(`usr/lib/${name}/${one}`, text(`${host}/${one}`), 0o755)),
    ...settings('sysusers'),
    ...settings('tmpfiles'),
    file(`usr/share/man/man1/${name}.1`, inputs.manual),
    file(`usr/share/bash-completion/completions/${name}`, inputs.completions.bash),
    ...ZSH.map((folder) => file(`usr/share/zsh/${folder}/_${name}`, inputs.completions.zsh)),
    file(`usr/share/fish/vendor_completions.d/${name}.fish`, inputs.completions.fish),
    ...Object.entries(inputs.schemas).map(([one, json]) => file(`usr/share/${name}/${one}`, json)),
    file(`${doc}/copyright`, text('LICENSE')),
    file(`${doc}/NOTICE`, inputs.notice),
    file(`${doc}/LICENSE.node`, inputs.runtimeLicense),
    file(`${doc}/CHANGELOG.md`, text('CHANGELOG.md')),
    ...examples.map((one) => file(`${doc}/examples/${one}`, text(`${host}/${one}`))),
    ...pages.map((page) => file(`${doc}/${page}`, text(`docs/${page}`))),
    ...monitoring.map((one) => file(`${doc}/monitoring/${one}`, text(`docs/monitoring/${one}`))),
    file(`${doc}/SECURITY.md`, text('SECURITY.md')),
  ];
}

/** Folders that go with the package. */
export function ownFolders(name: ProgramName, files: readonly PackageFile[]): string[] {
  const own = [`usr/lib/${name}`, `usr/share/${name}`, `usr/share/doc/${name}`];
  return ['etc/pemfleet', ...own.filter((folder) => files.some(({ path }) => path.startsWith(`${folder}/`)))];
}

/** The names that are the agent package's own, in a text that both packages have, or that is written for both on one machine. */
function ownPaths(name: ProgramName, text: string): string {
  return text
    .replaceAll('pemfleet-alarm@', `${name}-alarm@`)
    .replaceAll('/usr/lib/pemfleet/alarm.sh', `/usr/lib/${name}/alarm.sh`)
    .replaceAll('/usr/share/doc/pemfleet/', `/usr/share/doc/${name}/`);
}

/** Units that an upgrade restarts if they run. A pass of the issuer that is on ends by itself, with the program that it began with. */
export const RESTARTED: Readonly<Record<ProgramName, readonly string[]>> = {
  pemfleet: ['pemfleet-responder.service', 'pemfleet.timer', 'pemfleet-status.timer'],
  'pemfleet-agent': ['pemfleet-agent.service'],
};

/**
 * Puts files below `folder`, all of one time, with modes that depend on no umask.
 * @param seconds since 1970
 */
export async function placeFiles(
  folder: string,
  files: readonly PackageFile[],
  seconds: number,
): Promise<void> {
  for (const { path, mode, content } of files) {
    const target = join(folder, path);
    await mkdir(dirname(target), { recursive: true });
    if (typeof content === 'string') await writeFile(target, content);
    else await link(content.executable, target);
    await chmod(target, mode);
    await utimes(target, seconds, seconds);
  }
}
