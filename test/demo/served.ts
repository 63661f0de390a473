// A certificate as either story served it, and what is wrong with it, if anything.

export interface ServedCertificate {
  name: string;
  firstSerial: string;
  renewedSerial: string;
  servedSerial: string;
  chainLength: number;
}

export function servingFaults(certificates: readonly ServedCertificate[]): string[] {
  return certificates.flatMap(({ name, firstSerial, renewedSerial, servedSerial, chainLength }) => [
    ...(servedSerial === renewedSerial
      ? []
      : [`${name}: serves ${servedSerial}, not the renewed ${renewedSerial}`]),
    ...(renewedSerial === firstSerial ? [`${name}: was not renewed`] : []),
    ...(chainLength >= 2 ? [] : [`${name}: serves no intermediate certificate`]),
  ]);
}
