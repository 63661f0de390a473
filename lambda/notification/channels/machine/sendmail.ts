/** Mail by the machine's own sendmail, which postfix, exim, msmtp and others bring. */
import { runBounded } from '#common/program/run-bounded.ts';
import { SECOND_MS } from '#common/time.ts';
import type { NoticeChannel } from '../../deliver.ts';
import type { Notice } from '../../notice.ts';
import type { NoticeText } from '../../text.ts';

export const SENDMAIL = '/usr/sbin/sendmail';

export class SendmailChannel implements NoticeChannel {
  readonly timeoutSeconds: number;
  readonly #addresses: readonly string[];
  readonly #program: string;

  /** @param addresses checked by the schema: none begins with a dash */
  constructor(addresses: readonly string[], timeoutSeconds: number, program = SENDMAIL) {
    this.#addresses = addresses;
    this.timeoutSeconds = timeoutSeconds;
    this.#program = program;
  }

  async send(notice: Notice, text: NoticeText, signal: AbortSignal): Promise<string> {
    const end = await runBounded({
      command: [this.#program, '-i', '--', ...this.#addresses],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' },
      input: mailOf(this.#addresses, notice, text),
      timeoutMs: this.timeoutSeconds * SECOND_MS,
      signal,
    });
    if (end.isWell) return `${this.#program} has taken it`;
    throw new Error(`${this.#program}: ${[end.problem, end.output.at(-1)].filter(Boolean).join(': ')}`);
  }
}

/** RFC 5322. The id is the same when it is sent again: mail programs show one. Auto-Submitted (RFC 3834) keeps answering machines quiet. */
function mailOf(addresses: readonly string[], { id, at }: Notice, { subject, text }: NoticeText): string {
  const head = [
    `To: ${addresses.join(', ')}`,
    `Subject: ${subject}`,
    `Date: ${new Date(at).toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: <${id}@pemfleet.invalid>`,
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
  ];
  return `${head.join('\n')}\n\n${text}`;
}
