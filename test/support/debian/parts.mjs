// The real parts of the tests, by version and by the Debian suites that have it. Plain JavaScript, as debian.mjs.

import { buildChromium, FONT_PACKAGES } from './chromium.mjs';
import { buildMachine, buildMachine13, buildRpmMachine, MACHINE_SUITE } from './machine.mjs';
import { buildMoto } from './python.mjs';
import { buildRpm } from './rpm.mjs';

const haproxy = (series, suites) => ({
  suites,
  package: 'haproxy',
  programs: {
    [`haproxy-${series}`]: { file: 'usr/sbin/haproxy', env: `PEMFLEET_HAPROXY_${series.replace('.', '')}` },
  },
  wanted: new RegExp(`^${series.replace('.', '\\.')}\\.`),
  probe: ['haproxy', '-vv'],
});
/** A Debian that boots; beside its systemd-nspawn stands its machine.tar. */
const machine = (program, env, build) => ({
  suites: [MACHINE_SUITE],
  package: 'mmdebstrap',
  also: ['systemd-container'],
  programs: { [program]: { file: 'usr/bin/systemd-nspawn', env } },
  wanted: /^1\./,
  build,
  probe: ['systemd-nspawn', '--version'],
});
/** Where a new version comes first, and where it stays when sid moves on; one of them for several parts makes one tree. */
const NEWER_SUITES = ['sid', 'forky', 'trixie-backports', 'experimental'];
/**
 * `wanted` are the versions that a part accepts, `suites` where the set-up looks for them: it takes the newest.
 * `also` are packages beside, `programs` what there is then, `probe` how to see that it starts.
 */
export const parts = {
  'haproxy-2.6': haproxy('2.6', ['bookworm', 'bookworm-updates']),
  'haproxy-3.0': haproxy('3.0', ['trixie', 'trixie-updates', 'bookworm-backports']),
  'haproxy-3.2': haproxy('3.2', NEWER_SUITES),
  // with QUIC and ACME; sid's and forky's in time, while 3.2 stays in another of the four
  'haproxy-3.4': haproxy('3.4', NEWER_SUITES),
  // a client that speaks QUIC, which Node does not: `s_client -quic` is there since 3.2
  openssl: {
    suites: NEWER_SUITES,
    package: 'openssl',
    programs: { openssl: { file: 'usr/bin/openssl', env: 'PEMFLEET_OPENSSL' } },
    wanted: /^3\.([2-9]|\d\d)\./,
    probe: ['openssl', 'version'],
  },
  pebble: {
    suites: NEWER_SUITES,
    package: 'pebble',
    programs: {
      pebble: { file: 'usr/bin/pebble', env: 'PEMFLEET_PEBBLE' },
      challtestsrv: { file: 'usr/bin/pebble-challtestsrv', env: 'PEMFLEET_CHALLTESTSRV' },
    },
    // 2.10 or newer: it calls its own version "dev", the package knows
    wanted: /^2\.[1-9]\d\./,
    probe: ['pebble', '-version'],
  },
  // a second real CA: smallstep's ACME server, inside Caddy; bookworm's 2.6 cannot be told a resolver
  caddy: {
    suites: NEWER_SUITES,
    package: 'caddy',
    programs: { caddy: { file: 'usr/bin/caddy', env: 'PEMFLEET_CADDY' } },
    wanted: /^2\.(11|1[2-9]|[2-9]\d)\./,
    probe: ['caddy', 'version'],
  },
  moto: {
    suites: NEWER_SUITES,
    package: 'python3-moto',
    // its server's and its CloudFormation's, which Debian only suggests
    also: ['python3-flask', 'python3-flask-cors', 'python3-openapi-spec-validator'],
    programs: { moto: { file: 'moto', env: 'PEMFLEET_MOTO' } },
    // before 5.2 it ignores If-Match on PUT, and the current SDK cannot read its times
    wanted: /^5\.([2-9]|\d\d)\./,
    build: buildMoto,
    probe: ['moto', '--help'],
  },
  // promtool, which checks the rules for Prometheus that we ship
  prometheus: {
    suites: ['bookworm', ...NEWER_SUITES],
    package: 'prometheus',
    programs: { promtool: { file: 'usr/bin/promtool', env: 'PEMFLEET_PROMTOOL' } },
    wanted: /^[23]\./,
    probe: ['promtool', '--version'],
  },
  // what people look at pages with: its own Debian's, or the next one's
  chromium: {
    suites: ['trixie', 'bookworm', 'sid'],
    package: 'chromium-headless-shell',
    also: FONT_PACKAGES,
    programs: { chromium: { file: 'chromium', env: 'PEMFLEET_CHROMIUM' } },
    wanted: /^1[3-9]\d\./,
    build: buildChromium,
    probe: ['chromium', '--version'],
  },
  machine: machine('nspawn', 'PEMFLEET_NSPAWN', buildMachine),
  'machine-13': machine('nspawn-13', 'PEMFLEET_NSPAWN_13', buildMachine13),
  'machine-rpm': machine('nspawn-rpm', 'PEMFLEET_NSPAWN_RPM', buildRpmMachine),
  // of a release: `npm run release` takes rpmbuild from here where the machine has none
  rpm: {
    suites: ['bookworm', 'trixie'],
    package: 'rpm',
    programs: {
      rpm: { file: 'usr/bin/rpm', env: 'PEMFLEET_RPM' },
      rpmbuild: { file: 'usr/bin/rpmbuild', env: 'PEMFLEET_RPMBUILD' },
      rpm2archive: { file: 'usr/bin/rpm2archive', env: 'PEMFLEET_RPM2ARCHIVE' },
    },
    wanted: /^4\.(1[89]|[2-9]\d)\./,
    build: buildRpm,
    probe: ['rpmbuild', '--version'],
  },
};
