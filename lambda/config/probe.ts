/** Settings of `pemfleet probe`: where clients find the certificates, seen from outside. */
import { isIP } from 'node:net';
import * as z from 'zod';
import { fleetName } from '#contract/layout.ts';
import { isAddress } from './dns.ts';

const address = z.string().refine((text) => isIP(text) !== 0, 'wanted an IP address');
const port = z.number().int().min(1).max(65535);

const settings = z.strictObject({
  scheduled: z
    .boolean()
    .default(true)
    .describe('Whether each pass of the issuer probes; `pemfleet probe` does at any time.'),
  port: port.default(443).describe('Where clients connect.'),
  fleets: z
    .array(
      z.strictObject({
        fleet: fleetName.describe('Name of the fleet.'),
        addresses: z.array(address).min(1).max(100).describe('IP addresses that answer for its names.'),
      }),
    )
    .default([])
    .describe('Addresses that answer for all names of a fleet, beside those that the DNS has.'),
  except: z
    .array(z.string())
    .default([])
    .describe('Names that are not asked for, for example internal ones; *.example.com stands for itself.'),
  resolvers: z
    .array(z.string().refine(isAddress, 'wanted an IP address, with :port where it is not 53'))
    .default([])
    .describe("Name servers to ask; default: the machine's own."),
  allowPrivate: z
    .boolean()
    .default(false)
    .describe(
      'Connects to addresses of private networks, too: whoever controls the DNS of a name chooses them.',
    ),
  concurrency: z.number().int().min(1).max(200).default(20).describe('Handshakes at the same time.'),
  timeoutSeconds: z.number().int().min(1).max(60).default(5).describe('For one handshake.'),
});

/** `true` is short for all defaults. */
export const probe = z
  .union([z.boolean(), settings])
  .default(false)
  .transform((value) => {
    if (typeof value !== 'boolean') return value;
    return { ...settings.parse({}), scheduled: value };
  });

export type ProbeSettings = z.infer<typeof probe>;
