/** A year of certificates that live 90 days (`npm run test:long`). */
import { DAY_MS } from '#common/time.ts';
import { yearOf } from './year-suite.ts';

yearOf('90 days', 90 * DAY_MS);
