// What the host and the bucket can lack.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { layout } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { generatePrivateKey, signerOf } from '#contract/statement.ts';
import { away, type DoctorRow, dayMs, instead, without } from './doctor-plants.ts';
import { fleet } from './host.ts';
import { signedRoot } from './publish.ts';
import type { Stage } from './stage.ts';

export const hostRows: DoctorRow[] = [
  {
    says: 'flock(1) is missing',
    finds: 'flock-missing',
    fix: /util-linux/,
    plant: () => ({ runCommand: without('flock') }),
  },
  {
    says: 'systemd has no unit',
    finds: 'unit-missing',
    fix: /enable --now pemfleet-agent/,
    plant: () => ({
      runCommand: instead('systemctl show', 'LoadState=not-found\nUnitFileState=\nActiveState=inactive\n'),
    }),
  },
  {
    says: 'the unit is not enabled',
    finds: 'unit-disabled',
    fix: /systemctl enable --now pemfleet-agent/,
    plant: () => ({
      runCommand: instead('systemctl show', 'LoadState=loaded\nUnitFileState=disabled\nActiveState=active\n'),
    }),
  },
  {
    says: 'the unit is masked: no agent runs, and none will',
    finds: 'unit-disabled',
    fix: /systemctl unmask pemfleet-agent/,
    plant: () => ({
      runCommand: instead('systemctl show', 'LoadState=masked\nUnitFileState=masked\nActiveState=inactive\n'),
    }),
  },
  {
    says: 'the unit has failed',
    finds: 'unit-failed',
    fix: /journalctl -u pemfleet-agent/,
    plant: () => ({
      runCommand: instead('systemctl show', 'LoadState=loaded\nUnitFileState=enabled\nActiveState=failed\n'),
    }),
  },
  {
    says: 'nothing keeps the clock right',
    finds: 'clock-unsynchronized',
    fix: /timedatectl set-ntp/,
    plant: () => ({ runCommand: instead('timedatectl show', 'no\n') }),
  },
  {
    says: 'the clock is an hour behind',
    finds: 'clock-wrong',
    fix: /set-ntp/,
    plant: () => ({ now: new Date(Date.now() - 3_600_000) }),
  },
  {
    says: 'the clock is before the certificate',
    finds: 'clock-wrong',
    fix: /date -u/,
    plant: () => ({ now: new Date(Date.now() - 30 * dayMs) }),
  },
  {
    says: 'no pass for a day',
    finds: 'pass-overdue',
    fix: /journalctl/,
    plant: () => ({ now: new Date(Date.now() + dayMs) }),
  },
];

export const bucketRows: DoctorRow[] = [
  {
    says: 'the bucket is elsewhere',
    finds: 'bucket-missing',
    fix: /correct bucket/,
    plant: ({ dir }) => ({ args: ['--bucket', `file://${dir}/nowhere`] }),
  },
  {
    says: 'the fleet has another name',
    finds: 'manifest-missing',
    fix: /correct fleet \(others\)/,
    plant: () => ({ args: ['--fleet', 'others'] }),
  },
  {
    says: 'the manifest is broken',
    finds: 'manifest-unreadable',
    fix: /pemfleet run/,
    plant: async (stage) => {
      const whole = await stage.manifest();
      await stage.putRoot(signedRoot(whole).slice(0, 40));
      return { mend: () => stage.putBoth(whole) };
    },
  },
  {
    says: 'the manifest is of a newer version',
    finds: 'manifest-unreadable',
    fix: /upgrade pemfleet-agent/,
    plant: async (stage) => {
      const manifest = await stage.manifest();
      await stage.putRoot(signedRoot(manifest, { version: 3 as 2 }));
      return { mend: () => stage.putBoth(manifest) };
    },
  },
  ...(
    [
      [
        'unknown-key',
        'another key has signed the manifest',
        /write it as trust\.key into the agent's file/,
        {},
      ],
      ['other-lineage', 'another issuer has signed the manifest', /correct bucket/, { lineage: 'theirs' }],
    ] as const
  ).map(([finds, says, fix, changes]) => ({
    ...{ says, finds, fix },
    plant: async (stage: Stage) => {
      const whole = await stage.manifest();
      await stage.putRoot(signedRoot(whole, changes, signerOf(generatePrivateKey())));
      return { mend: () => stage.putBoth(whole) };
    },
  })),
  {
    says: 'an old manifest was put back',
    finds: 'stale-manifest',
    fix: /the issuer's next pass/,
    plant: async (stage) => {
      const whole = await stage.manifest();
      await stage.putRoot(signedRoot(whole, { sequence: 1 }));
      return { mend: () => stage.putBoth(whole) };
    },
  },
  {
    says: 'nobody has signed the manifest for two days',
    finds: 'frozen-manifest',
    fix: /pemfleet status/,
    plant: async (stage) => {
      const whole = await stage.manifest();
      const signedAt = new Date(Date.now() - 2 * dayMs).toISOString();
      await stage.putRoot(signedRoot(whole, { signedAt }));
      return { mend: () => stage.putBoth(whole) };
    },
  },
  {
    says: 'the operator allows manifests that nobody has signed',
    finds: 'unsigned-manifest',
    fix: /trust\.version1Until/,
    plant: async (stage) => {
      const whole = await stage.manifest();
      await stage.bucket.delete(layout.root(fleet));
      return { args: ['--version1-until', '9999-01-01'], mend: () => stage.putBoth(whole) };
    },
  },
  {
    says: 'the issuer sleeps: a certificate is overdue',
    finds: 'certificate-overdue',
    fix: /pemfleet plan/,
    plant: () => ({ now: new Date(Date.now() + 80 * dayMs) }),
  },
  {
    says: 'a certificate has expired',
    finds: 'certificate-expired',
    fix: /pemfleet plan/,
    plant: () => ({ now: new Date(Date.now() + 90 * dayMs) }),
  },
  {
    says: 'a file stands where the status belongs',
    finds: 'status-not-writable',
    fix: /status\/edge/,
    plant: async (stage) => {
      const folder = join(stage.bucketDir, 'status', fleet);
      const { mend } = away(folder);
      writeFileSync(folder, '');
      return {
        mend: () => {
          rmSync(folder);
          mend?.();
        },
      };
    },
  },
  {
    says: 'a PEM is too large for the buffer',
    finds: 'bufsize-small',
    fix: /tune\.bufsize \d+ .*haproxy\.bufsize: \d+/,
    plant: async (stage) => {
      const before = await stage.manifest();
      const grow = ([name, entry]: [string, ManifestEntry]) => [
        name,
        { ...entry, pems: entry.pems.map((pem) => ({ ...pem, size: 125_000 })) },
      ];
      const certificates = Object.fromEntries(Object.entries(before.certificates).map(grow));
      await stage.putBoth({ ...before, certificates });
      return { mend: () => stage.putBoth(before) };
    },
  },
];
