/** Secrets of a receiver: a file that its owner alone reads, or an SSM parameter. Neither value nor content of a file stands in an error. */
import { stat } from 'node:fs/promises';
import { readRegularFile } from '#storage/atomic-file.ts';
import type { Environment } from '#storage/s3-credentials.ts';
import { readSecretParameter } from '../../challenge/responder-secret.ts';

const MAX_BYTES = 4096;

/** @returns one line, without the white space around it */
export async function readSecretFile(file: string): Promise<string> {
  const { mode, uid } = await stat(file).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`wanted a secret at ${file}, saw ${error.code}`);
  });
  // root:pemfleet 0640 is Debian's way; everybody is not.
  if ((mode & 0o027) !== 0) {
    const saw = (mode & 0o777).toString(8).padStart(4, '0');
    throw new Error(`${file} holds a secret: wanted mode 0600 or 0640, saw ${saw}; chmod 0600 ${file}`);
  }
  if (uid !== 0 && uid !== process.getuid?.()) {
    throw new Error(
      `${file} holds a secret: wanted root or this program's user as its owner, saw user ${uid}`,
    );
  }
  const text = (await readRegularFile(file, MAX_BYTES)).toString('utf8').trim();
  return checked(text, file);
}

/** @param env with region and credentials. @throws Error with what SSM says */
export async function readParameterSecret(parameter: string, env: Environment): Promise<string> {
  return checked((await readSecretParameter(parameter, env)).trim(), parameter);
}

function checked(text: string, place: string): string {
  if (text !== '' && !/[\r\n]/.test(text)) return text;
  throw new Error(`${place}: wanted a secret in one line, saw ${text === '' ? 'nothing' : 'several lines'}`);
}
