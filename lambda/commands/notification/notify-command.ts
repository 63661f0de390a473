/**
 * `pemfleet notify`: tells between two passes what has changed, and sends what waits, for example for a mail program that the pass must not
 * start. `--test [CHANNEL…]` sends a message that says it is one.
 */
import { randomUUID } from 'node:crypto';
import { MINUTE_MS, SECOND_MS } from '#common/time.ts';
import { codeOf } from '#contract/errors.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { Config } from '../../config/config.ts';
import type { NotifySettings } from '../../config/notify/notify.ts';
import { type NoticeChannels, type SendResult, sendOnce } from '../../notification/deliver.ts';
import { readMemory } from '../../notification/memory.ts';
import type { Notice } from '../../notification/notice.ts';
import { type NoticeOptions, sendPending } from '../../notification/notify-changes.ts';
import { wordsOf } from '../../notification/text.ts';
import { afterPass, noPass } from '../../pass/after-pass.ts';
import { type Command, loadConfigAndBucket, now, passEnvironmentOf, print, printResult } from '../command.ts';
import { type CommandValues, UsageError } from '../line/options.ts';
import { EXIT } from '../output.ts';
import { machineChannels } from './machine-channels.ts';

/** A pass that is under way tells itself. */
const LOCK_MS = 10 * SECOND_MS;

export const notifyCommand: Command = async (values, names) => {
  if (names.length > 0 && !values.test)
    throw new UsageError(`notify takes names with --test only, saw ${names}`);
  const isRead = values['dry-run'] || values.test;
  const { config, bucket } = await loadConfigAndBucket(values, isRead ? 'read' : 'write');
  const { notify } = config;
  if (notify === undefined)
    throw new UsageError('nobody is told: the configuration has no notify (docs/notifications.md)');
  if (values.test) return sendTests(values, { bucket, config, notify, names });
  if (values['dry-run']) return listPending(values, bucket);
  const environment = passEnvironmentOf(values);
  const channels = machineChannels(config, environment.log) ?? new Map();
  const pass = { bucket, config, isTold: true, ...environment };
  await bucket
    .exclusively('pass', LOCK_MS, () => afterPass(pass, undefined, noPass(config)))
    .catch((error: unknown) => {
      if (codeOf(error) !== 'ERR_BUCKET_LOCK') throw error;
    });
  // Receivers may hang: no pass waits for them.
  await sendPending(optionsOf(pass, notify, channels));
  return listPending(values, bucket);
};

function optionsOf(
  { bucket, config, log }: Pick<NoticeOptions, 'bucket' | 'log'> & { config: Config },
  settings: NotifySettings,
  channels: NoticeChannels,
): NoticeOptions {
  const { wakeMinutes } = config;
  return { bucket, log, now: now(), settings, channels, wakeMinutes, withinMs: 2 * MINUTE_MS };
}

/** What is still to be sent, and to whom: all of it well, if nothing is. */
async function listPending(values: CommandValues, bucket: Bucket): Promise<number> {
  const { value } = await readMemory(bucket);
  const waiting = (value?.pending ?? []).map(({ notice, channels, attempts }) => {
    const { id, kind, at, count } = notice;
    return { id, kind, at, count, channels, attempts, subject: wordsOf(notice).subject };
  });
  if (values.json) printResult(values, { waiting });
  else {
    for (const { at, subject, channels, attempts } of waiting) {
      print(`waits for ${channels.join(', ')}: ${subject} (of ${at}, ${attempts} attempts)\n`);
    }
  }
  return waiting.length === 0 || values['dry-run'] ? EXIT.ok : EXIT.failed;
}

interface TestRequest {
  bucket: Bucket;
  config: Config;
  notify: NotifySettings;
  names: readonly string[];
}

/** Whatever `only` says, and with nothing kept: what came back is the answer. */
async function sendTests(
  values: CommandValues,
  { bucket, config, notify, names }: TestRequest,
): Promise<number> {
  const configured = Object.keys(notify.channels);
  const unknown = names.find((name) => !configured.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`no channel ${unknown} in the configuration; it has ${configured.join(', ')}`);
  }
  const { log } = passEnvironmentOf(values);
  const channels = machineChannels(config, log) ?? new Map();
  const wanted = names.length > 0 ? names : configured;
  const results = await Promise.all(
    wanted.map(async (name) => {
      const channel = channels.get(name);
      if (values['dry-run']) return { channel: name, isSent: false, said: 'would be sent a message' };
      if (channel === undefined) {
        const said = 'this process may start no mail program or hook (NoNewPrivileges): try it in a shell';
        return { channel: name, isSent: false, said };
      }
      return { channel: name, ...(await sendOnce(testNotice(bucket.url), channel, 2 * MINUTE_MS)) };
    }),
  );
  if (values.json) printResult(values, { results });
  else print(results.map(resultLine).join(''));
  return values['dry-run'] || results.every(({ isSent }) => isSent) ? EXIT.ok : EXIT.failed;
}

function resultLine({ channel, isSent, said }: SendResult & { channel: string }): string {
  return `${channel}: ${isSent ? 'sent' : 'not sent'}: ${said}\n`;
}

/** As a failure has it, for that is what must arrive. */
function testNotice(bucket: string): Notice {
  const at = now().toISOString();
  const id = `test-${randomUUID()}`;
  const code = 'this is a test';
  return {
    ...{ id, kind: 'failing', at, bucket, count: 1, standing: {} },
    changes: [
      {
        id,
        kind: 'failing',
        at,
        certificate: 'test.invalid',
        code,
        conditions: ['failing test.invalid'],
        reason: 'sent by pemfleet notify --test',
      },
    ],
  };
}
