/**
 * Whatever of the bucket is lost: no visitor gets a wrong certificate, none gets nothing. Two losses at once, and all versions:
 * long/proof.
 */
import { LOSS_ROWS, testLosses } from '../../support/proof/losses.ts';

testLosses(
  '3.2',
  LOSS_ROWS.filter((losses) => losses.length === 1),
);
