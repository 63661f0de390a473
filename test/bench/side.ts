// pemfleet beside acme.sh and certbot with their hooks: the same bare HAProxy, the same CA, and what has to be typed until the first
// certificate is served, and then until its renewal is. Nobody's installation is timed.
import { handshake } from '../support/handshake.ts';
import { until } from '../support/process.ts';
import type { BenchOptions, BenchRow } from './main.ts';
import { NAME, type SideHost, type SideSubject, startSideHost } from './side-host.ts';
import { sideSubjects } from './side-subjects.ts';

export async function side({ only }: BenchOptions, say: (line: string) => void): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const subject of sideSubjects) {
    if (only.length > 0 && !only.some((word) => subject.name.includes(word))) continue;
    say(subject.name);
    rows.push(...(await measure(subject, say)));
  }
  return rows;
}

async function measure({ name, open }: SideSubject, say: (line: string) => void): Promise<BenchRow[]> {
  const { version, first, renew } = await open(say);
  const { host, stop } = await startSideHost(say);
  try {
    const seconds = async (work: (host: SideHost) => Promise<void>) => {
      const before = await serial(host);
      const begun = performance.now();
      await work(host);
      await until(
        async () => ![undefined, before].includes(await serial(host)),
        () => undefined,
        60_000,
      );
      return Math.round((performance.now() - begun) / 10) / 100;
    };
    const firstSeconds = await seconds(first);
    const atFirst = { ...host.counts };
    const renewSeconds = await seconds(renew);
    const row = (measure: string, value: number, unit = '') => ({
      subject: name,
      measure,
      value,
      unit,
      note: version,
    });
    return [
      row('typed until the first is served', atFirst.commands),
      row('of them failed', atFirst.failed),
      row('reloads', atFirst.reloads),
      row('first served after', firstSeconds, 's'),
      row('renewal: reloads', host.counts.reloads - atFirst.reloads),
      row('renewal served after', renewSeconds, 's'),
    ];
  } finally {
    await stop();
  }
}

async function serial({ haproxy }: SideHost): Promise<string | undefined> {
  return handshake({ port: haproxy.httpsPort, servername: NAME }).then(
    (shown) => shown.serial,
    () => undefined,
  );
}
