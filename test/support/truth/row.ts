// One row of docs/fleet-truth.md: what is planted, and how host status, `pemfleet status` and figures have to name it.
import type { HostStatus } from '#contract/host-status.ts';
import type { PassMetrics } from '../../../lambda/figures/metrics.ts';
import type { StatusCode, StatusLevel } from '../../../lambda/status/status-line.ts';
import type { Pki } from '../parts/pki.ts';
import type { TruthHost } from './host.ts';
import type { TruthScene } from './scene.ts';

export interface Planted extends Pick<TruthScene, 'clock' | 'issuer' | 'dir'> {
  pki: Pki;
  /** On which it is planted. */
  host: TruthHost;
  /** The row's certificate. */
  certificate: string;
  /** Of the certificate, in HAProxy's directory of the host. */
  path: string;
  /** The published PEM. */
  pem: string;
}

/**
 * Who can know: `poll`: disk or Runtime API, at the host's next poll; `span`: only the wire, within one span of proofs; `issuer`: no host,
 * at the next `pemfleet status`.
 */
export type Where = 'poll' | 'span' | 'issuer';

export interface TruthRow {
  name: string;
  where: Where;
  /** The host on which it is planted. */
  on: 'lb1' | 'lb2';
  /** Its certificate has its name, and is not published before. */
  isUnpublished?: true;
  /** It is wrong on all hosts. Absent: no other host may be named. */
  isEverywhere?: true;
  plant(planted: Planted): Promise<unknown> | unknown;
  /** Of the host's status. Absent: no host can know. */
  inHostStatus?: (status: HostStatus, planted: Planted) => unknown;
  /** What that gives. */
  isNamed?: unknown;
  /** The line of `pemfleet status` that names it. */
  line: {
    level: StatusLevel;
    code: StatusCode;
    /** Whom it names. Default: host and certificate. */
    names?: readonly ('host' | 'certificate')[];
    says: RegExp;
  };
  /** The figures that rise. */
  figures: readonly (keyof PassMetrics)[];
  /** What a figure waits for before it counts, by its definition. */
  figureAfterMs?: number;
  /** Once it is mended, proofs are old, or of another time, or a file failed twice: a span goes by until all is well. */
  takesHours?: true;
  mend(planted: Planted): Promise<unknown> | unknown;
}

/** Of the row's file: drift of this kind. */
export const driftOf = ({ drift = [] }: HostStatus, { certificate }: Planted) =>
  drift
    .filter((one) => one.certificate === certificate && one.file === `${certificate}.pem`)
    .map(({ kind }) => kind);

export const stateOf = ({ files }: HostStatus, { certificate }: Planted) => {
  const file = files.find((one) => one.certificate === certificate);
  return [file?.state, file?.error?.code];
};

export const errorOf = ({ error }: HostStatus) => error?.code;

export const conditionsIn = ({ conditions = [] }: HostStatus) => conditions.map(({ condition }) => condition);

/** As haproxy.cfg names the directory. */
export const OUR_DIRECTORY = `"\${PEMFLEET_CERTS_DIR}"`;
