import { bucketSuite } from './bucket-suite.ts';
import { memoryBucket } from './memory-bucket.ts';

bucketSuite('memory bucket', async () => memoryBucket());
