/** `notify:` of pemfleet.yaml: whom the issuer tells of changes, and by which channels. */
import * as z from 'zod';
import { channel } from './channel.ts';

export const WEEKDAYS = [
  'sunday',
  'monday',
  'tuesday',
  'wednesday',
  'thursday',
  'friday',
  'saturday',
] as const;

const channelName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'wanted letters in lower case, digits and dashes, 32 at most');

export const notify = z.strictObject({
  digest: z
    .enum([...WEEKDAYS, 'off'])
    .default('monday')
    .describe('Day of the weekly digest, sent by the first pass after 6:00 UTC; or off.'),
  channels: z
    .record(channelName, channel)
    .refine((channels) => Object.keys(channels).length <= 20, 'wanted at most 20 channels')
    .describe('By a name of your own: one way each to people or programs.'),
});

export type NotifySettings = z.infer<typeof notify>;
