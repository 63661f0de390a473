/** Judges answers to certificate commands to the letter, and makes an error of a bad one. */
import { codeOf } from '#contract/errors.ts';
import { RuntimeCommandFailed } from '../errors.ts';
import type { RuntimeErrorCode } from '../reactions.ts';
import { type CertificateStatus, parseCertificate } from './answers.ts';
import { commandBytes, fitsOneBuffer } from './capabilities.ts';
import { type Answer, firstLineOf, type RuntimeCommand } from './socket.ts';

/** `… updated for certificate A!` (also 2.6's bug), `The ongoing transaction is about 'A' but …`. */
export function foreignTransactionIn(text: string): string | undefined {
  const match =
    /^Transaction updated for certificate (.+)!$/m.exec(text) ??
    /ongoing transaction is about '(.+?)' but/.exec(text);
  return match?.[1];
}

/** `Committing …` and `Inserting …` carry no severity: the last line is the word. */
export function isSuccess({ text, severity }: Answer): boolean {
  const lines = text.split('\n');
  return severity === undefined && lines.at(-1) === 'Success!' && !lines.includes('Failed!');
}

/** 3.x: `The command (line) is too big for the buffer size. …`, 3.4: `The payload is too big. …`. */
const TOO_BIG = /^The (?:command|payload)\b.* too big/;
const RAISE =
  'HAProxy did not take a command of this size: reload it, or raise its tune.bufsize (3.4 and later: tune.cli.max-payload-size)';

/** A PEM that the agent has checked, and HAProxy has cut, is refused for its size. */
export function refusedPayload(command: RuntimeCommand, answer: Answer): RuntimeCommandFailed {
  const isCut = isLong(command) && answer.text.includes("Can't load the payload");
  return isCut || TOO_BIG.test(answer.text)
    ? failed('ERR_RUNTIME_PAYLOAD_SIZE', command, answer, RAISE)
    : failed('ERR_RUNTIME_REFUSED', command, answer, reasonIn(answer));
}

/** A connection that HAProxy closes before it has read all of a command may end with a reset. */
const SILENCE = ['ERR_RUNTIME_TIMEOUT', 'ERR_RUNTIME_SHORT_ANSWER', 'ERR_RUNTIME_SOCKET_IO'];

/**
 * Where HAProxy has a smaller buffer than the agent knows of, 2.6 hangs or closes without a word; 3.4.7 hangs on some
 * sizes. Tried again it would be the same for ever, and a reload serves the file.
 * @returns the error, or in its place that of the size
 */
export function forItsSize(error: unknown, command: RuntimeCommand): unknown {
  if (!SILENCE.includes(codeOf(error)) || !isLong(command)) return error;
  const request = { verb: command.verb, filename: command.operands?.at(-1) };
  return new RuntimeCommandFailed('ERR_RUNTIME_PAYLOAD_SIZE', request, RAISE, { cause: error });
}

const isLong = ({ payload = '', operands = [] }: RuntimeCommand): boolean =>
  !fitsOneBuffer(commandBytes(Buffer.byteLength(payload), operands.at(-1) ?? ''));

/** To `del ssl crt-list` and `del ssl cert`: the configuration holds it, by its default certificate or by its name. */
export function isInUse({ text }: Answer): boolean {
  return /cannot be deleted, it is used as default certificate|in use, can't be deleted/.test(text);
}

/** The line of a failed answer that says why. */
export function reasonIn({ text }: Answer): string {
  // Refused options begin with the bind's name: "Proxy 'a': unable to set SSL curves list …".
  return (
    text
      .split('\n')
      .find((line) => line.includes('unable to '))
      ?.slice(0, 300) ?? 'refused'
  );
}

/** `undefined`: HAProxy holds no such file. `unclear`: the answer is to something else. */
export function certificateIn(
  answer: Answer | undefined,
  filename: string,
): CertificateStatus | undefined | 'unclear' {
  if (answer?.text.startsWith("Can't display the certificate: Not found")) return undefined;
  const certificate = parseCertificate(answer?.text ?? '');
  return certificate?.filename === filename ? certificate : 'unclear';
}

export function failed(
  code: RuntimeErrorCode,
  command: RuntimeCommand,
  answer: Answer,
  detail = 'unexpected answer',
): RuntimeCommandFailed {
  const request = { verb: command.verb, filename: command.operands?.at(-1) };
  return new RuntimeCommandFailed(code, request, detail, { answer: firstLineOf(answer) });
}
