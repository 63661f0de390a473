// What can be wrong with HAProxy's socket, process and configuration.

import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { assertOk } from './assess.ts';
import { away, cfg, type DoctorRow, inCerts } from './doctor-plants.ts';

export const socketRows: DoctorRow[] = [
  {
    says: 'the socket has another name',
    finds: 'socket-missing',
    fix: /stats socket \/nonexistent\.sock mode 660 group haproxy level admin/,
    plant: () => ({ args: ['--stats-socket', '/nonexistent.sock'] }),
  },
  {
    says: 'nobody listens on the socket',
    finds: 'socket-refused',
    fix: /systemctl start haproxy/,
    plant: ({ dir }) => ({ args: ['--stats-socket', join(dir, 'dead.sock')] }),
  },
  {
    says: 'the socket is of level operator',
    finds: 'socket-not-admin',
    fix: /haproxy\.cfg:\d+\): stats socket .*level admin/,
    plant: ({ haproxy }) => ({ args: ['--stats-socket', `${haproxy.socket}.operator`] }),
  },
  {
    says: 'the socket is of level user',
    finds: 'socket-not-admin',
    fix: /level admin/,
    plant: ({ haproxy }) => ({ args: ['--stats-socket', `${haproxy.socket}.user`] }),
  },
  {
    says: 'everybody may write to the socket',
    finds: 'socket-open-to-all',
    fix: /mode 660/,
    plant: ({ haproxy }) => {
      chmodSync(haproxy.socket, 0o666);
      return { mend: () => chmodSync(haproxy.socket, 0o600) };
    },
  },
  {
    says: 'a transaction is open',
    finds: 'haproxy-transaction',
    fix: /abort ssl cert .*shop\.pem/,
    plant: async (stage) => {
      const file = inCerts(stage, 'shop.pem');
      await stage.haproxy.command(`set ssl cert ${file} <<\n${stage.pem('shop')}`);
      return { mend: () => stage.haproxy.command(`abort ssl cert ${file}`) };
    },
  },
  {
    says: "HAProxy's buffer is smaller than the agent thinks",
    finds: 'bufsize-differs',
    fix: /haproxy\.bufsize: 16384/,
    plant: () => ({ args: ['--bufsize', '32768'] }),
  },
  {
    says: "HAProxy's configuration cannot be read",
    finds: 'haproxy-config-unread',
    fix: /--haproxy-config FILE/,
    plant: () => ({ haproxyConfig: '/nonexistent.cfg' }),
  },
  {
    says: 'HAProxy fetches OCSP responses by itself',
    finds: 'ocsp-update',
    fix: /remove ocsp-update from .*doctor\.cfg:2/,
    plant: (stage) => cfg(stage, 'strict-sni', 'ocsp-update.mode on'),
  },
  {
    says: 'the bind has no strict-sni',
    finds: 'strict-sni-missing',
    fix: /add strict-sni to the bind \(.*doctor\.cfg:4\)/,
    plant: (stage) => cfg(stage, ''),
  },
  {
    says: 'the bind has no strict-sni, and the directory nothing',
    finds: 'directory-empty',
    fix: /add strict-sni/,
    plant: (stage) => ({ ...cfg(stage, ''), ...away(inCerts(stage, 'shop.pem')) }),
  },
];

export const handshakeRows: DoctorRow[] = [
  {
    says: 'nobody listens on the configured address',
    finds: 'handshake-failed',
    fix: /HAProxy binds 127\.0\.0\.1:\d+/,
    plant: () => ({ args: ['--handshake', '127.0.0.1:1'] }),
  },
  {
    says: 'an address of haproxy.handshake is not of this machine',
    finds: 'handshake-unproven',
    fix: /VRRP/,
    plant: ({ haproxy }) => ({ args: ['--handshake', `127.0.0.1:${haproxy.httpsPort},203.0.113.9:443`] }),
  },
  {
    says: 'the bind expects a PROXY header, and the settings do not say so',
    finds: 'handshake-proxy',
    fix: /haproxy\.handshake: \[proxy@127\.0\.0\.1:\d+\]/,
    plant: (stage) => cfg(stage, 'strict-sni accept-proxy', '', `127.0.0.1:${stage.haproxy.httpsPort}`),
  },
  {
    says: 'a certificate for an IP address on a bind with strict-sni',
    finds: 'address-not-served',
    fix: /without strict-sni.*default-crt .*address\.pem/,
    plant: async (stage) => {
      await stage.publish('address', { names: ['192.0.2.7', 'with.address.test'] });
      assertOk(await stage.pass());
      const mend = async () => {
        await stage.withdraw('address');
        assertOk(await stage.pass());
      };
      return { mend };
    },
  },
  {
    says: 'nothing is proved',
    finds: 'handshake-off',
    fix: /haproxy\.handshake: \[127\.0\.0\.1:\d+\]/,
    plant: () => ({ args: ['--handshake', ''] }),
  },
];
