/** What tests know of a real CA, whichever it is. */
export interface TestCa {
  directoryUrl: string;
  /** PEM file of the CA that the CA's own HTTPS is of, for clients; `ca` is its content */
  caFile: string;
  ca: string;
  /** root of the certificates that it issues */
  rootPem(): Promise<string>;
  /** new orders that it has made */
  ordersMade(): number;
  log(): string;
  stop(): Promise<void>;
}
