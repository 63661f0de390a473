/**
 * The stats socket: one connection, one line of commands, their answers read to the end. That is the only framing
 * that behaves the same in every version, and it cannot get stuck on the old worker after a reload.
 * Verb, operands and payload arrive apart, so that no error can ever carry the payload (a private key).
 */
import { createConnection } from 'node:net';
import { MAX_RUNTIME_ANSWER_BYTES } from '#contract/limits.ts';
import { type RuntimeAnswer, RuntimeCommandFailed, type RuntimeRequest } from '../errors.ts';
import type { RuntimeErrorCode } from '../reactions.ts';

export interface RuntimeCommand {
  /** As in the management guide: `set ssl cert`. */
  verb: string;
  operands?: readonly string[];
  /** Sent after `<<`; holds no blank line and ends with a line feed. */
  payload?: string;
  /** Longest command with its payload (`tune.bufsize` less one). Beyond it 2.6 hangs or closes silently. */
  maxBytes?: number;
  /** HAProxy cuts its description of a certificate with hundreds of names at `tune.bufsize`, in the middle of its end. */
  mayBeCut?: boolean;
}

interface SocketOptions {
  path: string;
  /** Below HAProxy's `stats timeout` (10 s unless configured), after which it closes without a word. */
  timeoutMs: number;
}

/** @param next on the same line; only the last command may have a payload */
export type RuntimeSocket = (command: RuntimeCommand, ...next: RuntimeCommand[]) => Promise<FirstAnswer>;

export interface Answer {
  text: string;
  severity: number | undefined;
}

export interface FirstAnswer extends Answer {
  /** Answers to the next commands. Where HAProxy has cut one off there are fewer, and none can be attributed. */
  next: Answer[];
}

/** The smallest that HAProxy accepts. */
const MIN_BUFSIZE = 1024;
/** Makes errors and successes machine-readable in all versions. Its own answer is one empty line. */
const PREFIX = 'set severity-output number;';

/** The master socket passes a command on to its current worker; severities and their empty line it does not keep. */
const MASTER = /^master@/;
const TO_WORKER = '@1 ';

export const isMasterSocket = (socket: string): boolean => MASTER.test(socket);

export const socketPathOf = (socket: string): string => socket.replace(MASTER, '');

export function openSocket({ path, timeoutMs }: SocketOptions): RuntimeSocket {
  const isMaster = isMasterSocket(path);
  const options = { path: socketPathOf(path), timeoutMs, isMaster };
  const [prefix, separator] = isMaster ? [TO_WORKER, `;${TO_WORKER}`] : [PREFIX, ';'];
  return async (command, ...next) => {
    const request = requestOf(command);
    const commands = [command, ...next];
    const sent = `${prefix}${commands.map(textOf).join(separator)}\n`;
    checkSize(Buffer.byteLength(sent), request, command.maxBytes);
    const received = await exchange(sent, request, options);
    const mayBeCut = commands.some((one) => one.mayBeCut);
    const body = bodyOf(isMaster && received !== '' ? `\n${received}` : received, request, mayBeCut);
    const [text = '', ...texts] = next.length === 0 ? [body] : body.split('\n\n');
    const answers = texts.map((one, index) => answerIn(one, requestOf(next[index] ?? command)));
    return { ...answerIn(text, request), next: answers };
  };
}

const requestOf = ({ verb, operands }: RuntimeCommand): RuntimeRequest => ({
  verb,
  filename: operands?.at(-1),
});

function textOf({ verb, operands = [], payload }: RuntimeCommand): string {
  const line = [verb, ...operands.map(escapeOperand)].join(' ');
  return payload === undefined ? line : `${line} <<\n${payload}`;
}

/** The first line of an answer, fit for an error: HAProxy 3 quotes the words of a command that it does not know. */
export function firstLineOf({ text, severity }: Answer): RuntimeAnswer {
  const line = text.split('\n', 1)[0] ?? '';
  return { severity, firstLine: line.startsWith('Unknown command') ? 'Unknown command' : line.slice(0, 300) };
}

function checkSize(bytes: number, request: RuntimeRequest, maxBytes = Number.POSITIVE_INFINITY): void {
  if (bytes <= maxBytes) return;
  const detail = `${bytes} bytes with the command, HAProxy takes ${maxBytes}: reload it, or raise its tune.bufsize and the agent's haproxy.bufsize`;
  throw new RuntimeCommandFailed('ERR_RUNTIME_PAYLOAD_SIZE', request, detail);
}

function exchange(
  sent: string,
  request: RuntimeRequest,
  { path, timeoutMs, isMaster }: SocketOptions & { isMaster: boolean },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const socket = createConnection({ path });
    const deadline = setTimeout(() => {
      const detail = `no whole answer within ${timeoutMs} ms`;
      socket.destroy(new RuntimeCommandFailed('ERR_RUNTIME_TIMEOUT', request, detail));
    }, timeoutMs);
    // The master keeps the connection until we have said all.
    socket.on('connect', () => (isMaster ? socket.end(sent) : socket.write(sent)));
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes <= MAX_RUNTIME_ANSWER_BYTES) return;
      const detail = `no end of the answer within ${MAX_RUNTIME_ANSWER_BYTES} bytes: is it HAProxy's socket?`;
      socket.destroy(new RuntimeCommandFailed('ERR_RUNTIME_SHORT_ANSWER', request, detail));
    });
    socket.on('error', (error) => {
      clearTimeout(deadline);
      reject(error instanceof RuntimeCommandFailed ? error : connectionFailed(error, request, path));
    });
    socket.on('close', () => {
      clearTimeout(deadline);
      resolve(Buffer.concat(chunks).toString('utf8'));
    });
  });
}

/** A whole answer: the prefix's empty line, the text, an empty line. Anything shorter was cut off. */
function bodyOf(received: string, request: RuntimeRequest, mayBeCut: boolean): string {
  const isCut = mayBeCut && received.length > MIN_BUFSIZE && received.endsWith('\n');
  if (received.startsWith('\n') && (received.endsWith('\n\n') || isCut)) {
    return received.slice(1).replace(/\n+$/, '');
  }
  const saw = received === '' ? 'an empty answer' : 'an answer without its end';
  const detail = `${saw}: HAProxy stopped or cut it off`;
  throw new RuntimeCommandFailed('ERR_RUNTIME_SHORT_ANSWER', request, detail);
}

function answerIn(body: string, request: RuntimeRequest): Answer {
  const severity = /^\[(\d)\]: /.exec(body)?.[1];
  const answer = {
    text: body.replace(/^\[\d\]: /, ''),
    severity: severity === undefined ? undefined : Number(severity),
  };
  if (answer.text.startsWith('Permission denied')) {
    const hint = 'the socket\'s level is not admin: write "level admin" on its "stats socket" line';
    throw new RuntimeCommandFailed('ERR_RUNTIME_NOT_ADMIN', request, hint, { answer: firstLineOf(answer) });
  }
  if (answer.severity === 6 || /^Unknown command\b/.test(answer.text)) {
    const hint = 'this HAProxy does not know the command';
    throw new RuntimeCommandFailed('ERR_RUNTIME_UNSUPPORTED', request, hint, { answer: firstLineOf(answer) });
  }
  return answer;
}

function connectionFailed(
  error: NodeJS.ErrnoException,
  request: RuntimeRequest,
  path: string,
): RuntimeCommandFailed {
  const reasons: Record<string, [RuntimeErrorCode, string]> = {
    ENOENT: ['ERR_RUNTIME_SOCKET_MISSING', 'is not there: is HAProxy running, with this "stats socket"?'],
    ENOTSOCK: ['ERR_RUNTIME_SOCKET_MISSING', 'is not a socket'],
    ECONNREFUSED: ['ERR_RUNTIME_SOCKET_REFUSED', 'has no listener: HAProxy is not running'],
    EACCES: [
      'ERR_RUNTIME_SOCKET_DENIED',
      'is closed to this user: add "user", "group" and "mode 660" to its "stats socket" line',
    ],
  };
  const [code, hint] = reasons[error.code ?? ''] ?? ['ERR_RUNTIME_SOCKET_IO', `failed with ${error.code}`];
  return new RuntimeCommandFailed(code, request, `${path} ${hint}`, { cause: error });
}

/** HAProxy splits words at spaces. `;` and line feeds cannot be escaped: config/haproxy.ts refuses them in names. */
function escapeOperand(operand: string): string {
  return operand.replaceAll(/[\\ ]/g, (character) => `\\${character}`);
}
