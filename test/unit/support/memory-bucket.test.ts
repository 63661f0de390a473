import { bucketSuite } from '../../support/bucket/bucket-suite.ts';
import { memoryBucket } from '../../support/bucket/memory-bucket.ts';

bucketSuite('memory bucket', async () => memoryBucket());
