/** Judges answers to certificate commands to the letter, and makes an error of a bad one. */
import { RuntimeCommandFailed } from '../errors.ts';
import type { RuntimeErrorCode } from '../reactions.ts';
import { type CertificateStatus, parseCertificate } from './answers.ts';
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
