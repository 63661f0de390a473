/** Whether HAProxy itself says what it serves. Its files may say something else. */
import { existsSync } from 'node:fs';
import type { HandedOut } from '../../adopt/haproxy/handed-out.ts';
import { HaproxySilent, RuntimeCertificates } from '../../adopt/haproxy/runtime-certificates.ts';
import { fingerprintAt } from '../../init/apply/visitors.ts';
import type { Installation } from '../../init/host/installation.ts';
import { Unplannable } from '../../init/plan/haproxy-config.ts';
import type { CommandValues } from '../line/options.ts';

export interface RuntimeSources {
  runtime: RuntimeCertificates | undefined;
  handedOut: HandedOut | undefined;
  /** What could not be checked. */
  notes: readonly string[];
}

const UNCHECKED =
  'its files are taken for what it serves; what somebody has loaded at run time, and what visitors get where several certificates share a name, could not be checked';

/**
 * Where HAProxy does not run, its next start loads what the files have, and adopt goes by them. One that runs and does not answer may serve
 * something else: only a dry run goes on.
 * @param socket its stats socket
 * @throws Unplannable
 */
export async function openRuntime(
  values: CommandValues,
  { process: running }: Installation,
  socket: string,
): Promise<RuntimeSources> {
  const runtime = new RuntimeCertificates(socket);
  const silent = await silenceOf(runtime, socket);
  if (silent === undefined) return { runtime, handedOut: fingerprintAt, notes: [] };
  const handedOut = running && fingerprintAt;
  if (running === undefined && values.from === 'haproxy') {
    throw new Unplannable(
      '--from haproxy wants a HAProxy that runs with this configuration, saw none: start it, or leave --from haproxy out to adopt what its files have; nothing was changed',
    );
  }
  if (running !== undefined && (values.from === 'haproxy' || !values['dry-run'])) throw silent;
  const why = running === undefined ? 'it does not run' : silent.facts;
  return { runtime: undefined, handedOut, notes: [`HAProxy was not asked: ${why}; ${UNCHECKED}`] };
}

async function silenceOf(runtime: RuntimeCertificates, socket: string): Promise<HaproxySilent | undefined> {
  if (!existsSync(socket)) return new HaproxySilent(`HAProxy's stats socket ${socket}`, 'no such file');
  try {
    await runtime.names();
    return undefined;
  } catch (error) {
    if (error instanceof HaproxySilent) return error;
    throw error;
  }
}
