// All one-bit changes of an OCSP response: what we take of them, and whether openssl(1) would.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { OcspQuestion } from '../../../lambda/ocsp/question.ts';
import { readResponse } from '../../../lambda/ocsp/response.ts';
import { makeTempDir } from '../temp-dir.ts';

const run = promisify(execFile);

export interface BitReport {
  tried: number;
  accepted: number;
  /** Bits whose change we take and OpenSSL refuses, as byte.bit. */
  overtaken: string[];
  /** Errors that are not the typed refusal. */
  untyped: string[];
}

/** @param step 1: every bit; 7: each seventh, with an offset of its own for each response */
export async function flipBits(
  body: Buffer,
  asked: OcspQuestion & { rootPem: string },
  step = 1,
): Promise<BitReport> {
  const report: BitReport = { tried: 0, accepted: 0, overtaken: [], untyped: [] };
  for (let bit = body.length % step; bit < body.length * 8; bit += step) {
    const changed = Buffer.from(body);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    report.tried += 1;
    const place = `${bit >> 3}.${bit & 7}`;
    const outcome = outcomeOf(() => readResponse(changed, asked));
    if (outcome === 'refused') continue;
    if (outcome !== 'accepted') report.untyped.push(`${place}: ${outcome}`);
    report.accepted += 1;
    if (!(await isTakenByOpenssl(changed, asked))) report.overtaken.push(place);
  }
  return report;
}

function outcomeOf(read: () => unknown): string {
  try {
    read();
    return 'accepted';
  } catch (error) {
    return (error as { code?: string }).code === 'ERR_OCSP' ? 'refused' : String(error);
  }
}

/** `openssl ocsp` verifies the signature by the chain to the root, the times and the certificate that it is about. */
export async function isTakenByOpenssl(
  body: Buffer,
  { issuer, leaf, rootPem }: OcspQuestion & { rootPem: string },
): Promise<boolean> {
  const dir = makeTempDir();
  const file = (name: string, content: string | Buffer) => {
    const path = join(dir.path, name);
    writeFileSync(path, content);
    return path;
  };
  try {
    const named = [
      '-issuer',
      file('issuer.pem', issuer.toString()),
      '-cert',
      file('leaf.pem', leaf.toString()),
    ];
    const trusted = ['-CAfile', file('root.pem', rootPem)];
    const args = ['ocsp', '-respin', file('response', body), ...named, ...trusted];
    const { stdout, stderr } = await run('openssl', args);
    return /Response verify OK/.test(stderr) && /^\S+: (good|revoked|unknown)$/m.test(stdout);
  } catch {
    return false;
  } finally {
    dir.remove();
  }
}
