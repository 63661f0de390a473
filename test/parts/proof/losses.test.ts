/** Whatever of the bucket is lost, alone or two at once: no visitor gets a wrong certificate, none gets nothing. All versions: long/proof. */
import { testLosses } from '../../support/proof/losses.ts';

testLosses('3.2');
