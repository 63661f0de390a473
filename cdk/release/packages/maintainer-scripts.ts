/** What a package does beyond its files: in the sh that dpkg and rpm both run. Nothing here touches HAProxy or a certificate. */
import { DIRECTORY_SCRIPTS, type PackageFile, type ProgramName, RESTARTED } from './contents.ts';

/** Commands of sh; when they run is said differently by dpkg and rpm. */
export interface MaintainerScripts {
  /** The package has come for the first time. */
  installed: string;
  /** It has come, for the first time or in place of another version. */
  configured: string;
  /** It is about to go. */
  removing: string;
  /** It has gone, or another version has come. */
  removed: string;
  /** Its settings go too (dpkg only). */
  purged: string;
}

export function maintainerScripts(name: ProgramName, files: readonly PackageFile[]): MaintainerScripts {
  const units = namesIn(files, 'usr/lib/systemd/system/');
  const isBooted = '[ -d /run/systemd/system ]';
  return {
    installed: [movedAside(name, units), formerModule(name)].join('\n'),
    configured: [
      ...namesIn(files, 'usr/lib/sysusers.d/').map((file) => `systemd-sysusers ${file}`),
      // It complains of what it may not touch, such as a directory of another user: doctor says that better.
      ...namesIn(files, 'usr/lib/tmpfiles.d/').map((file) => `systemd-tmpfiles --create ${file} || :`),
      ...namesIn(files, `usr/lib/${name}/`)
        .filter((file) => DIRECTORY_SCRIPTS.includes(file))
        .map((file) => `sh /usr/lib/${name}/${file} || :`),
      // What does not run, as after a first installation, stays so.
      `if ${isBooted}; then systemctl daemon-reload; systemctl try-restart ${RESTARTED[name].join(' ')} || :; fi`,
    ].join('\n'),
    removing: [
      `if ${isBooted}; then`,
      ...(name === 'pemfleet' ? [AGENT_BEFORE] : []),
      `    systemctl disable --now ${units.filter((unit) => !unit.includes('@')).join(' ')} >/dev/null 2>&1 || :`,
      ...(name === 'pemfleet' ? [AGENT_STAYS] : []),
      'fi',
      ...(name === 'pemfleet-agent' ? [LEAVE] : []),
    ].join('\n'),
    // A unit that has failed would stay in "systemctl --failed" as "not-found"; for an upgrade nothing is reset.
    removed: `if ${isBooted}; then
    systemctl daemon-reload || :
    [ -e /usr/bin/${name} ] || systemctl reset-failed ${units.map((unit) => quotedUnit(unit)).join(' ')} 2>/dev/null || :
fi`,
    purged: purge(name, units),
  };
}

/** Instances of a template by a pattern: sh must not take it for files. */
const quotedUnit = (unit: string) => (unit.includes('@') ? `'${unit.replace('@', '@*')}'` : unit);

/** pemfleet.target starts the agent and stops it (PartOf=), but this package is no reason for HAProxy's certificates to get old. */
const AGENT_BEFORE = `    agent=
    if [ -e /etc/pemfleet/agent.yaml ] && systemctl cat pemfleet-agent.service >/dev/null 2>&1; then
        agent=$(systemctl is-active pemfleet-agent.service || :)
        case $agent in active | activating | reloading) ;; *) systemctl --quiet is-enabled pemfleet.target || agent= ;; esac
    fi`;
// It starts in its own time: its first pass may take minutes.
const AGENT_STAYS = `    if [ -n "$agent" ]; then
        systemctl enable pemfleet-agent.service >/dev/null 2>&1 || :
        case $agent in active | activating | reloading) systemctl start --no-block pemfleet-agent.service || : ;; esac
        echo "pemfleet: pemfleet-agent.service stays, and no longer needs pemfleet.target: $(systemctl is-enabled pemfleet-agent.service)" >&2
    fi`;

/** The host stops reporting, and must not raise HostsSilent for it. */
const LEAVE = `if [ -e /etc/pemfleet/agent.yaml ] && id pemfleet >/dev/null 2>&1; then
    timeout 30 runuser -u pemfleet -- /usr/bin/pemfleet-agent leave ||
        echo "pemfleet-agent: could not write the last report; this host counts as silent until its status expires" >&2
fi`;

/** Never HAProxy's certificates, never a bucket, and not the user: a new one could get its number, and with it the files. */
function purge(name: ProgramName, units: readonly string[]): string {
  const { settings, others, state } = PURGED[name];
  return `rm -rf ${settings.map((file) => `/etc/pemfleet/${file}`).join(' ')}
for unit in ${units.join(' ')}; do
    rm -f "/etc/systemd/system/$unit.d/pemfleet-paths.conf"
    rmdir "/etc/systemd/system/$unit.d" 2>/dev/null || :
done
[ -e /etc/pemfleet/${others} ] || rm -rf /etc/pemfleet/alarm.conf /var/lib/pemfleet-alarm
rmdir /etc/pemfleet 2>/dev/null || :
${state}`;
}

const PURGED = {
  pemfleet: {
    // init: its record, with copies of what it has changed.
    settings: ['pemfleet.yaml', 'pemfleet.env', 'responder.env', 'init'],
    others: 'agent.yaml',
    state:
      '[ ! -d /var/lib/pemfleet ] || echo "pemfleet: /var/lib/pemfleet stays: accounts, keys and certificates may be there" >&2',
  },
  'pemfleet-agent': {
    settings: ['agent.yaml', 'agent.env'],
    others: 'pemfleet.yaml',
    state: 'rm -rf /var/lib/pemfleet-agent',
  },
} as const;

/** Units that install.sh or a hand has put into /etc would come before the package's. */
function movedAside(name: string, units: readonly string[]): string {
  return `for unit in ${units.join(' ')}; do
    old=/etc/systemd/system/$unit
    if [ -f "$old" ] && [ ! -L "$old" ]; then
        enabled=$(systemctl is-enabled "$unit" 2>/dev/null || :)
        mv -f "$old" "$old.replaced"
        echo "${name}: moved $old to $old.replaced: the package has its own" >&2
        [ "$enabled" != enabled ] || systemctl reenable "$unit" >/dev/null 2>&1 || :
    fi
done`;
}

/** npm does not look whether a program is still its own: uninstalling there would take the package's away. */
const formerModule = (name: ProgramName) => `if [ -d /usr/lib/node_modules/pemfleet ]; then
    echo "${name}: /usr/lib/node_modules/pemfleet, from npm, is no longer used: rm -r it once the packages are there (npm uninstall would take /usr/bin/${name} away)" >&2
fi`;

function namesIn(files: readonly PackageFile[], folder: string): string[] {
  const paths = files.map(({ path }) => path).filter((path) => path.startsWith(folder));
  return paths.map((path) => path.slice(folder.length));
}
