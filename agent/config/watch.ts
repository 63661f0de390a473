/** How soon the agent notices that a certificate is no longer served as it was. */
import * as z from 'zod';
import { SECOND_MS } from '#common/time.ts';

export const watchSchema = z.strictObject({
  lookWithin: z.coerce
    .number()
    .min(1)
    .max(86_400)
    .default(60)
    .describe(
      'Seconds within which each file is looked at on disk and in HAProxy, at the polls of "run"; with many certificates it takes longer.',
    ),
  proveWithin: z.coerce
    .number()
    .min(10)
    .max(86_400)
    .default(600)
    .describe(
      'Seconds within which a TLS handshake proves each certificate again on each bind; more where 1 % of a core does not suffice.',
    ),
});

export function watchOf({ lookWithin, proveWithin }: z.infer<typeof watchSchema>) {
  return { lookWithinMs: lookWithin * SECOND_MS, proveWithinMs: proveWithin * SECOND_MS };
}
