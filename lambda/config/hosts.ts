/** Which hosts a fleet should have: one that never came is in no bucket, so nobody would miss it. */
import * as z from 'zod';
import { fleetName, hostName } from '#contract/layout.ts';

const expected = z.union([z.number().int().min(0).max(50_000), z.array(hostName).min(1)], {
  error: 'wanted a number of hosts, or a list of their names (as the agent reports them: lower case)',
});

export const hosts = z.strictObject({
  expected: z
    .record(fleetName, expected)
    .default({})
    .describe('By fleet: how many hosts report, or their names. One that is missing is told.'),
});

/** A number of hosts, or their names. */
export type ExpectedHosts = z.infer<typeof expected>;
