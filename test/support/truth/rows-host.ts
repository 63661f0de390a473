// A whole host: HAProxy, its socket, its clock, its directory, itself.
import { HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { conditionsIn, errorOf, stateOf, type TruthRow } from './row.ts';

const DAY_MS = 24 * HOUR_MS;

export const hostRows: readonly TruthRow[] = [
  {
    name: 'haproxy-down',
    where: 'poll',
    on: 'lb1',
    plant: ({ host }) => host.down(),
    inHostStatus: errorOf,
    isNamed: 'ERR_RUNTIME_SOCKET_REFUSED',
    line: { level: 'wrong', code: 'host-error', names: ['host'], says: /^lb1: ERR_RUNTIME_SOCKET_REFUSED/ },
    figures: ['HostsBehind'],
    mend: ({ host }) => host.up(),
  },
  {
    name: 'socket-of-level-operator',
    where: 'poll',
    on: 'lb2',
    plant: ({ host }) => host.configure((text) => text.replace('level admin', 'level operator')),
    inHostStatus: errorOf,
    isNamed: 'ERR_RUNTIME_NOT_ADMIN',
    line: { level: 'wrong', code: 'host-error', names: ['host'], says: /^lb2: ERR_RUNTIME_NOT_ADMIN/ },
    figures: ['HostsBehind'],
    mend: ({ host }) => host.configure((text) => text.replace('level operator', 'level admin')),
  },
  {
    name: 'clock-100-days-ahead-at-a-renewal',
    takesHours: true,
    where: 'poll',
    on: 'lb1',
    plant: async ({ host, issuer, certificate }) => {
      host.clockOffsetMs = 100 * DAY_MS + HOUR_MS;
      await issuer.publish(certificate);
    },
    inHostStatus: (status, planted) => [conditionsIn(status), ...stateOf(status, planted)],
    isNamed: [['clock-off'], 'failed', 'ERR_PEM_VALIDITY'],
    line: { level: 'wrong', code: 'clock-off', names: ['host'], says: /100 days? ahead/ },
    figures: ['HostsBehind'],
    figureAfterMs: 31 * MINUTE_MS,
    mend: ({ host }) => {
      host.clockOffsetMs = 0;
    },
  },
  {
    name: 'clock-a-day-behind',
    takesHours: true,
    where: 'poll',
    on: 'lb1',
    plant: ({ host }) => {
      host.clockOffsetMs = -DAY_MS;
    },
    inHostStatus: conditionsIn,
    isNamed: ['clock-off'],
    line: { level: 'wrong', code: 'clock-off', names: ['host'], says: /behind/ },
    figures: [],
    mend: ({ host }) => {
      host.clockOffsetMs = 0;
    },
  },
  {
    name: 'agent-killed',
    takesHours: true,
    where: 'issuer',
    on: 'lb1',
    plant: async ({ host, clock }) => {
      await host.stop();
      clock.advance(3 * HOUR_MS + MINUTE_MS);
    },
    line: { level: 'wrong', code: 'silent', names: ['host'], says: /^lb1: silent for 3 h/ },
    figures: ['HostsSilent'],
    mend: () => undefined,
  },
  {
    name: 'host-gone',
    takesHours: true,
    where: 'issuer',
    on: 'lb1',
    plant: async ({ host, clock }) => {
      await host.stop();
      await host.down();
      clock.advance(3 * HOUR_MS + MINUTE_MS);
    },
    line: { level: 'wrong', code: 'silent', names: ['host'], says: /^lb1: silent for 3 h/ },
    figures: ['HostsSilent'],
    mend: ({ host }) => host.up(),
  },
  {
    name: 'host-that-never-came',
    where: 'issuer',
    on: 'lb1',
    plant: ({ issuer }) => issuer.set({ hosts: { expected: { edge: ['lb1', 'lb2', 'lb3'] } } }),
    line: { level: 'wrong', code: 'missing-host', names: [], says: /^lb3: expected/ },
    figures: ['HostsMissing'],
    mend: ({ issuer }) => issuer.set({}),
  },
];
